"""The Textual wizard and the command line."""

import os

# Paintings a second at most; Textual reads it when it is first imported. A key waits for the next painting, for two
# when one has just been: at its own 60 that was a third of the time from a key to the drawing.
os.environ.setdefault("TEXTUAL_FPS", "120")
