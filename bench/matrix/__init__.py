"""The compatibility matrix: tiny models of every architecture, converted here and held against transformers.

`make matrix` runs what has no row yet, then writes docs/support.md and the table that the wheel ships.
"""
