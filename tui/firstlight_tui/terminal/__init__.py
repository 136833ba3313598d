"""The terminal itself: driver, escape sequences, keys that arrive early, idle time."""
