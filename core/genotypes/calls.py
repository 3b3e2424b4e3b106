"""How a genotype call is read from its text: which field, and what a half-call means."""

from enum import StrEnum


class GenotypeField(StrEnum):
    """What a dosage is read from. A call without a value of the field falls back to its GT.

    auto  DS where the header declares it, else GT; HDS and GP are never guessed
    GT    hard calls
    DS    expected copies of each ALT
    HDS   expected copies on each haplotype, which are added up
    GP    probabilities of the genotypes (VCF 4.3 on, no Phred scores), of which the expected copies
          are taken; as files round probabilities, DS or HDS say more where there are any
    """

    AUTO = "auto"
    GT = "GT"
    DS = "DS"
    HDS = "HDS"
    GP = "GP"


class HalfCall(StrEnum):
    """What `./1` means. `haploid`: the seen allele stands for the whole call (plink2's word, so
    `./1` counts as 1/1); `reference`: the unseen allele is REF; `error`: refuse the file."""

    MISSING = "missing"
    HAPLOID = "haploid"
    REFERENCE = "reference"
    ERROR = "error"
