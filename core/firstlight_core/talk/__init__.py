"""Step 7: open an artifact or an endpoint and talk to it."""
