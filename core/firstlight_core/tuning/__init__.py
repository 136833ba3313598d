"""8b: the fastest setting of a model on this machine that stays close enough to the original, by measuring."""
