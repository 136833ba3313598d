"""What was measured earlier: one SQLite store of every benchmark, tuning, quality check and conversion."""
