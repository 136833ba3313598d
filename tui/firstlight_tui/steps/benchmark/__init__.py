"""The Benchmark step."""
