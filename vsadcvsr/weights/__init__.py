"""Models by name, and the files that they are in."""
