"""Tests against tools that are too large to be a dependency; `make test-vllm` builds what they need."""
