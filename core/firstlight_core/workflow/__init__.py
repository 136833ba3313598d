"""A whole run from a plan: the run file, its values, the walk over the steps."""
