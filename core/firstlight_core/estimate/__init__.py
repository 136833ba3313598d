"""Step 3: what a conversion will cost, what was measured, what to recommend."""
