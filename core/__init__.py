"""The science and the records: no Ray, no HTTP."""
