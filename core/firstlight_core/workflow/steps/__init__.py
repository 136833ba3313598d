"""The work of a run at each step: a module of the step's name with a function `work`."""
