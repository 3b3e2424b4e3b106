"""The report of a scoring run: its facts as JSON, and one self-contained page made from them."""
