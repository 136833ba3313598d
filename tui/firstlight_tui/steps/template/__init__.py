"""The Template step."""
