"""The header of a VCF (VCF 4.0 to 4.5): samples, contigs, FORMAT keys, genome build.

Meta-information lines that this product does not use are not checked; a header line that it uses is
read as the specification has it, quotes included.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from core.build_evidence import BuildEvidence, agreed, evidence_of_contigs, evidence_of_text
from core.errors import CuraGenieError, GenomeBuildError, GenotypeFileError, Where

MAX_HEADER_BYTES = 256 << 20
"""Enough for ten million samples."""

MAX_HEADER_LINES = 1 << 20
"""More than any assembly has contigs. A line costs a hundred bytes of memory, however short."""

MAX_FIRST_LINE_BYTES = 1 << 20
"""Without a line end, so much text is no VCF; nothing more of it is read."""

_FIXED_COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT")
_VERSION = re.compile(rb"##fileformat=VCFv(4\.[0-5])\s*")
_PAIR = re.compile(r'([^=,<>\s]+)=("(?:[^"\\]|\\.)*"|[^,>]*)')
_BLOCK_DECLARATIONS = (
    "##GVCFBlock",
    "##ALT=<ID=NON_REF",
    "##ALT=<ID=*",
    "##INFO=<ID=BLOCKAVG",
)


@dataclass(frozen=True, slots=True)
class VcfHeader:
    """`contigs`: name as written to its length, None where the header states none.

    `build_evidence`: of the contigs, else of ##reference, else of the contigs' assembly; None where
    none of them tells.
    `n_lines`: lines up to and with #CHROM.
    `names_blocks`: it declares what a gVCF needs, which many a VCF that was made of one still does.
    """

    version: str
    samples: tuple[str, ...]
    contigs: Mapping[str, int | None]
    formats: frozenset[str]
    build_evidence: BuildEvidence | None
    n_lines: int
    names_blocks: bool = False


@dataclass(frozen=True, slots=True)
class HeaderText:
    """`lines`: without line ends; `n_bytes`: of the whole, line ends included."""

    lines: tuple[bytes, ...]
    n_bytes: int


def read_header_text(pieces: Iterable[bytes], uri: str) -> HeaderText:
    """The lines up to and with #CHROM.

    Raises GenotypeFileError where the text is no VCF.
    """
    lines: list[bytes] = []
    n_bytes = 0
    for line in _lines(pieces, uri):
        content = line.rstrip(b"\r\n")
        if not lines and not _VERSION.fullmatch(content):
            raise _not_a_vcf(uri, content)
        n_bytes += len(line)
        lines.append(content)
        check_header_lines(len(lines), uri)
        if not content.startswith(b"##"):
            return HeaderText(tuple(lines), n_bytes)
    if not lines:
        raise GenotypeFileError(
            "the file is empty.", where=Where(uri), fix="Give a VCF with a header."
        )
    raise _no_column_line(uri, len(lines))


def check_header_lines(n_lines: int, uri: str) -> None:
    """Raises GenotypeFileError where there are too many."""
    if n_lines > MAX_HEADER_LINES:
        raise GenotypeFileError(
            f"the header has more than {MAX_HEADER_LINES} lines.",
            where=Where(uri),
            fix="Remove meta-information lines that nothing reads.",
        )


def parse_header(text: HeaderText, uri: str) -> VcfHeader:
    """Raises GenotypeFileError, with the line, for a header that cannot be used."""
    version = _VERSION.fullmatch(text.lines[0])
    assert version is not None  # read_header_text has seen to it
    meta = [line.decode("utf-8", "replace") for line in text.lines[1:-1]]
    contigs = dict(_contigs(meta))
    formats = frozenset(
        fields["ID"] for fields in structured_lines(meta, "FORMAT") if "ID" in fields
    )
    return VcfHeader(
        version=version[1].decode(),
        samples=_samples(text.lines[-1], uri, len(text.lines)),
        contigs=contigs,
        formats=formats,
        build_evidence=_build_evidence(contigs, meta, uri),
        n_lines=len(text.lines),
        names_blocks=any(line.startswith(_BLOCK_DECLARATIONS) for line in meta),
    )


def _lines(pieces: Iterable[bytes], uri: str) -> Iterator[bytes]:
    """With line ends; the last line may have none."""
    unfinished: list[bytes] = []
    n_bytes, limit = 0, MAX_FIRST_LINE_BYTES
    for piece in pieces:
        first, *others = piece.split(b"\n")
        unfinished.append(first)
        n_bytes += len(piece)
        for line in others:
            yield b"".join(unfinished) + b"\n"
            unfinished, limit = [line], MAX_HEADER_BYTES
        if n_bytes > limit:
            raise _header_too_long(uri, limit)
    if any(unfinished):
        yield b"".join(unfinished)


def _header_too_long(uri: str, limit: int) -> GenotypeFileError:
    if limit == MAX_FIRST_LINE_BYTES:
        return _not_a_vcf(uri, b"")
    return GenotypeFileError(
        f"the header is longer than {limit >> 20} MiB.",
        where=Where(uri),
        fix="Remove meta-information lines that nothing reads.",
    )


def _samples(column_line: bytes, uri: str, line: int) -> tuple[str, ...]:
    where = Where(uri, line, "#CHROM")
    try:
        columns = column_line.decode("utf-8").split("\t")
    except UnicodeDecodeError as error:
        raise GenotypeFileError(
            "a sample name is not UTF-8.",
            where=where,
            fix="Rename the samples (bcftools reheader).",
        ) from error
    if columns[0] != "#CHROM":
        raise _no_column_line(uri, line)
    if tuple(columns[:8]) != _FIXED_COLUMNS[:8]:
        raise GenotypeFileError(
            f"the columns are not {' '.join(_FIXED_COLUMNS[:8])}, separated by tabs.",
            where=where,
            fix="Write the columns of the VCF specification.",
        )
    if len(columns) < 10 or columns[8] != "FORMAT":
        raise GenotypeFileError(
            "the file has no samples.", where=where, fix="Give a VCF with genotypes."
        )
    _check_sample_names(columns[9:], where)
    return tuple(columns[9:])


def _check_sample_names(samples: list[str], where: Where) -> None:
    if "" in samples:
        raise GenotypeFileError(
            f"the name of sample {samples.index('') + 1} is empty.",
            where=where,
            fix="Name every sample.",
        )
    name, count = Counter(samples).most_common(1)[0]
    if count > 1:
        raise GenotypeFileError(
            f"sample {name} stands there {count} times.",
            where=where,
            fix="Give every sample its own name (bcftools reheader).",
        )


def structured_lines(meta: list[str], *keys: str) -> Iterator[dict[str, str]]:
    """The fields of every line ##KEY=<A=1,B="x, y"> of one of the keys, in order."""
    prefixes = tuple(f"##{key}=<" for key in keys)
    for line in meta:
        if line.startswith(prefixes):
            yield dict(_PAIR.findall(line.split("<", 1)[1]))


def _contigs(meta: list[str]) -> Iterator[tuple[str, int | None]]:
    for fields in structured_lines(meta, "contig"):
        if "ID" in fields:
            length = fields.get("length", "")
            yield fields["ID"], int(length) if re.fullmatch("[0-9]{1,18}", length) else None


def build_of_meta(meta: list[str], uri: str) -> BuildEvidence | None:
    """The build that meta-information lines state, in a VCF or in what borrows its header.

    Raises GenomeBuildError for lines that contradict each other, and for a build that no reader
    here can place.
    """
    return _build_evidence(dict(_contigs(meta)), meta, uri)


def _build_evidence(
    contigs: Mapping[str, int | None], meta: list[str], uri: str
) -> BuildEvidence | None:
    where = Where(uri, field="header")
    try:
        pieces = [evidence_of_contigs(contigs), *map(evidence_of_text, _texts_on_build(meta))]
    except GenomeBuildError as error:
        raise _at(error, where) from error
    return agreed(pieces, where)


def _texts_on_build(meta: list[str]) -> Iterator[str]:
    """What may name a build: ##reference, ##assembly, and each assembly that contigs name."""
    yield from (line for line in meta if line.startswith(("##reference=", "##assembly=")))
    assemblies = (fields.get("assembly", "") for fields in structured_lines(meta, "contig"))
    yield from (f"##contig assembly={name}" for name in dict.fromkeys(assemblies) if name)


def _at(error: CuraGenieError, where: Where) -> CuraGenieError:
    return type(error)(error.what, where=where, fix=error.fix)


def _not_a_vcf(uri: str, first_line: bytes) -> GenotypeFileError:
    if first_line.startswith(b"##fileformat=VCFv"):
        version = first_line[17:40].decode("ascii", "replace")
        return GenotypeFileError(
            f"VCF version {version} is not supported.",
            where=Where(uri, 1, "##fileformat"),
            fix="Write VCF 4.0 to 4.5 (bcftools view).",
        )
    return GenotypeFileError(
        "the file is not a VCF.",
        where=Where(uri, 1),
        fix="A VCF begins with ##fileformat=VCFv4.x.",
    )


def _no_column_line(uri: str, line: int) -> GenotypeFileError:
    return GenotypeFileError(
        "the header does not end with the #CHROM line.",
        where=Where(uri, line),
        fix="The file is damaged or no VCF; write it again.",
    )
