"""Step 1: what this machine has, what is needed, how to get it."""
