"""Polygenic scores: scoring files, matching, weighted sums, results."""
