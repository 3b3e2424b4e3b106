"""BGEN 1.2 and 1.3 (layout 2) as DosageBlocks."""
