"""Step 10: the report, the recorded plan and the walk that repeats it."""
