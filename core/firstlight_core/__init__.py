"""Everything that Firstlight does, with no screen attached."""

__version__ = "0.1.0"
