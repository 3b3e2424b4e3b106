"""Lines of small gVCFs over one made-up sequence, which is contig 1 of GRCh38."""

META = (
    "##contig=<ID=1,length=248956422>",
    "##contig=<ID=2,length=242193529>",
    '##INFO=<ID=END,Number=1,Type=Integer,Description="Last position">',
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
    '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">',
    '##FORMAT=<ID=MIN_DP,Number=1,Type=Integer,Description="Least depth">',
    '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Quality">',
    '##ALT=<ID=NON_REF,Description="Any other allele">',
)
SEQUENCE = "ACGTTGCATCAGGACTTACGATCCGAGTTACGGACTTAGCCATG"


def line(position: int, call: str, *, last: int | None = None, alt: str = "<NON_REF>") -> str:
    ref = SEQUENCE[position - 1]
    info = f"END={last}" if last is not None else "."
    return f"1\t{position}\t.\t{ref}\t{alt}\t.\t.\t{info}\tGT:DP:GQ:MIN_DP\t{call}"


def other_than(base: str) -> str:
    """A base that is neither this one nor its complement."""
    return "C" if base in "AT" else "A"
