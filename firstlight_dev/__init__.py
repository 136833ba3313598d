"""What a developer runs, on every system and without make; not part of the distribution."""
