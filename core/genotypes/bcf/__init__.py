"""BCF 2.2, the binary form of VCF, as DosageBlocks."""
