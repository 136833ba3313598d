"""The Environment step."""
