"""The Textual wizard and the command line."""
