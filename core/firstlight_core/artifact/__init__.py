"""An artifact folder: what it is, and how one is made, published, read and found again."""
