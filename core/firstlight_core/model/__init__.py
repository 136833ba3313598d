"""Step 2: what a model folder is, from its headers; where models are found."""
