"""Charts: pure drawings (`rows(width)`, `draw(width, height)`) and the widgets that show them.

They take colours from theme variables only and say everything by shape as well. They know no step and no document of the core.
"""
