"""Coordinates written as text: contig names, positions, and variant IDs that name their place.

Arrays in, arrays out, all of one length; null where the text says nothing.
"""

import pyarrow as pa
import pyarrow.compute as pc

from core.genome_build import canonical_contig

# A spreadsheet or a data frame with gaps writes 12345.0
_WHOLE_NUMBER = r"^0*(?P<digits>[1-9][0-9]{0,9})(?:\.0+)?$"
_LAST_POSITION = 2**31 - 1  # of a VCF
_ID_WITH_COORDINATES = (
    r"^(?P<contig>(?i:(?:chr)?(?:[0-9]{1,2}|X|Y|XY|M|MT|PAR1|PAR2)))[:_-](?P<position>[0-9]+)"
    r"(?:[:_-](?P<ref>[A-Za-z]+)[:_-](?P<alt>[A-Za-z.*]+(?:,[A-Za-z*]+)*)(?:_b3[78])?)?$"
)


def canonical_contigs(names: pa.Array) -> pa.Array:
    """String → string: each name as core.genome_build.canonical_contig writes it."""
    encoded = names.dictionary_encode()
    canonical = [canonical_contig(name) for name in encoded.dictionary.to_pylist()]
    return pc.take(pa.array(canonical, pa.string()), encoded.indices)


def parse_positions(text: pa.Array) -> pa.Array:
    """String → int64; null for what is no whole number of 1 to 2147483647."""
    position = _whole_numbers(text)
    is_one = pc.and_(pc.greater(position, 0), pc.less_equal(position, _LAST_POSITION))
    return pc.if_else(is_one, position, pa.scalar(None, pa.int64()))


def _whole_numbers(text: pa.Array) -> pa.Array:
    """Nearly always there are digits alone, and no need of a regular expression."""
    if pc.all(pc.ascii_is_decimal(text), min_count=0).as_py():
        try:
            return text.cast(pa.int64())
        except pa.ArrowInvalid:  # more digits than an integer has
            pass
    return pc.struct_field(pc.extract_regex(text, _WHOLE_NUMBER), "digits").cast(pa.int64())


def places_in_ids(ids: pa.Array) -> tuple[pa.Array, pa.Array, pa.Array, pa.Array]:
    """(contig, position, ref, alt) strings of IDs that read chr:pos or chr:pos:ref:alt.

    "-" and "_" separate as well; alleles are in upper case, and empty where the ID has none.
    """
    named = pc.extract_regex(ids, _ID_WITH_COORDINATES)
    ref, alt = (pc.utf8_upper(pc.struct_field(named, allele)) for allele in ("ref", "alt"))
    return pc.struct_field(named, "contig"), pc.struct_field(named, "position"), ref, alt
