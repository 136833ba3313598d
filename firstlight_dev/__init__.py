"""The developer's commands, on every system and without make; not part of the distribution."""
