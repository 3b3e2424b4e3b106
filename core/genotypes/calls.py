"""How a genotype call is read from its text: which field, and what a half-call means."""

from enum import StrEnum


class GenotypeField(StrEnum):
    """`auto` takes DS where a record has it, else GT; a call without its DS falls back to GT."""

    AUTO = "auto"
    GT = "GT"
    DS = "DS"


class HalfCall(StrEnum):
    """What `./1` means. `haploid`: the seen allele stands for the whole call (plink2's word, so
    `./1` counts as 1/1); `reference`: the unseen allele is REF; `error`: refuse the file."""

    MISSING = "missing"
    HAPLOID = "haploid"
    REFERENCE = "reference"
    ERROR = "error"
