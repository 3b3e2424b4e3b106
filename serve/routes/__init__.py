"""One file per noun; a route parses, calls and returns."""
