"""Steps 8 and 9: speed, memory, the five checks, drift."""
