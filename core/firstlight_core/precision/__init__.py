"""The table of precisions and the advanced options of a conversion."""
