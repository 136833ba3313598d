"""The Summary step."""
