"""Step 6: Foundry Local and every other road out."""
