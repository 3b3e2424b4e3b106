"""Genotypes: files in, DosageBlocks out."""
