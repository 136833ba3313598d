"""The Quality step."""
