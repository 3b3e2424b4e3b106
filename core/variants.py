"""Alleles: complement, reverse complement, ambiguity."""

_COMPLEMENT = str.maketrans("ACGT", "TGCA")


def complement(allele: str) -> str | None:
    """Base by base, without reversing; None where the allele is not all ACGT.

    >>> complement("AC")
    'TG'
    """
    if not is_acgt(allele):
        return None
    return allele.translate(_COMPLEMENT)


def reverse_complement(allele: str) -> str | None:
    """The allele as read on the other strand; None where it is not all ACGT.

    >>> reverse_complement("AC")
    'GT'
    """
    other_strand = complement(allele)
    return None if other_strand is None else other_strand[::-1]


def is_acgt(allele: str) -> bool:
    return bool(allele) and not allele.strip("ACGT")
