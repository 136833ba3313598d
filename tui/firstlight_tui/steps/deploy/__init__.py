"""The Deploy step."""
