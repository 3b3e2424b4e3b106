"""The readers that are fuzzed."""

from tests.fuzz.fastq import FASTQ_READER
from tests.fuzz.vcf import VCF_READER

READERS = {target.name: target for target in (VCF_READER, FASTQ_READER)}
