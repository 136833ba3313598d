"""Earlier measurements: one SQLite store of every benchmark, tuning, quality check and conversion."""
