"""The Precision step."""
