"""The Convert step."""
