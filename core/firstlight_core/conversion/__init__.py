"""Step 4: plan a conversion, drive Olive, gate the result, publish it atomically."""
