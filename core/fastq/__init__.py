"""Sequencing reads: FASTQ files in, counts of their quality out."""
