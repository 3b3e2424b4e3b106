"""Allele frequencies from outside the cohort, for mean-imputing missing calls.

Takes plink2's .afreq (#CHROM ID REF ALT ALT_FREQS, comma lists for several ALTs) and plain tables
with such columns. A variant is found by its coordinates (CHROM and POS, or an ID that reads
chr:pos:ref:alt) and its alleles, else by its ID and its alleles. Positions are on the genotypes'
build: the file does not say its own.

Where the file has REF and ALT the other way round, the frequency is 1 - ALT_FREQS; but only if that
ALT is the only one at its place (and under its ID): what is not ALT is else not one allele.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.delimited import (
    NULL_WORDS,
    DelimitedText,
    first_true,
    parse_numbers,
    read_delimited,
)
from core.errors import FrequencyFileError
from core.scoring.coordinates import canonical_contigs, parse_positions, places_in_ids

COLUMN_ALIASES: Mapping[str, tuple[str, ...]] = {
    "contig": ("chrom", "chr", "chromosome", "chr_name"),
    "position": ("pos", "position", "chr_position", "bp"),
    "id": ("id", "rsid", "snp", "variant_id"),
    "ref": ("ref", "other_allele", "reference_allele", "a2", "nea"),
    "alt": ("alt", "effect_allele", "alternate_allele", "a1", "ea"),
    "frequency": (
        *("alt_freqs", "alt_freq", "af", "freq", "frequency", "allele_frequency"),
        *("effect_allele_frequency", "allelefrequency_effect", "eaf", "a1_freq"),
    ),
}
"""What each column may be called, in any case; the first that a file has is taken."""

_REF_NAMES = frozenset({"ref", "reference_allele"})
"""Those that say REF; the other allele of an effect allele may be ALT."""

_NEEDED_PARTS = ("ref", "alt", "frequency")
_ID_KEY_BYTES = 24

_Rows = npt.NDArray[np.int64]
_Mask = npt.NDArray[np.bool_]
_Keys = npt.NDArray[np.int64] | npt.NDArray[np.bytes_]


@dataclass(frozen=True, slots=True)
class _Index:
    """File rows in the order of a key that several of them may share."""

    keys: _Keys
    file_rows: _Rows

    @classmethod
    def build(cls, keys: _Keys, is_known: _Mask) -> "_Index":
        file_rows = np.flatnonzero(is_known)
        order = np.argsort(keys[file_rows], kind="stable")
        return cls(keys[file_rows][order], file_rows[order])

    def pairs(self, keys: _Keys, is_known: _Mask) -> tuple[_Rows, _Rows]:
        """(asked rows, file rows): every pair with equal keys."""
        asked = np.flatnonzero(is_known)
        first = np.searchsorted(self.keys, keys[asked], side="left")
        n_found = np.searchsorted(self.keys, keys[asked], side="right") - first
        ends = np.cumsum(n_found)
        in_index = np.arange(n_found.sum()) + np.repeat(first - ends + n_found, n_found)
        return np.repeat(asked, n_found), self.file_rows[in_index]


@dataclass(frozen=True, slots=True)
class Frequencies:
    """A frequency file, one row per ALT, ready to be asked. `names_ref`: its columns say which
    allele is REF, and not only which one the frequency is not of."""

    source: str
    sha256: str
    names_ref: bool
    _alts: pa.RecordBatch  # id, ref, alt, frequency
    _is_only_alt: _Mask  # nothing else at its place or under its ID
    _contigs: pa.Array  # the contig codes of the place keys
    _by_place: _Index
    _by_id: _Index

    def of_alts(
        self,
        contig: pa.Array,
        position: pa.Array,
        variant_id: pa.Array,
        ref: pa.Array,
        alt: pa.Array,
    ) -> npt.NDArray[np.float64]:
        """The frequency of each ALT: (n,) float64, NaN where unknown.

        contig, variant_id, ref, alt are string (n,), alleles in upper case; position int64 (n,).
        """
        asked = pa.record_batch({"id": variant_id, "ref": ref, "alt": alt})
        by_place = self._by_place.pairs(*_place_keys(contig, position, self._contigs))
        by_id = self._by_id.pairs(*_id_keys(variant_id))
        found = np.full(asked.num_rows, np.nan)
        self._fill(found, asked, by_id, must_equal=("id",))
        self._fill(found, asked, by_place, must_equal=())
        return found

    def reference_bases(self, contig: pa.Array, position: pa.Array) -> npt.NDArray[np.uint8]:
        """(n,) the REF at each place (strings, int64) in ASCII; 0 where the file has none of one
        base, or several."""
        asked, file_rows = self._by_place.pairs(*_place_keys(contig, position, self._contigs))
        ref = self._alts["ref"].take(pa.array(file_rows))
        code = pc.index_in(ref, value_set=pa.array(list("ACGT"))).to_numpy(zero_copy_only=False)
        one = ~np.isnan(code)
        seen = np.zeros((len(contig), 4), bool)
        seen[asked[one], code[one].astype(np.int64)] = True
        base = np.frombuffer(b"ACGT", np.uint8)[seen.argmax(axis=1)]
        return np.where(seen.sum(axis=1) == 1, base, 0).astype(np.uint8)

    def _fill(
        self,
        found: npt.NDArray[np.float64],
        asked: pa.RecordBatch,
        pairs: tuple[_Rows, _Rows],
        must_equal: tuple[str, ...],
    ) -> None:
        """Write what the pairs say; alleles the same way round win over turned ones."""
        rows, file_rows = pairs
        ours, theirs = asked.take(pa.array(rows)), self._alts.take(pa.array(file_rows))
        frequency = theirs["frequency"].to_numpy(zero_copy_only=False)
        keys = {name: name for name in must_equal}
        is_known = ~np.isnan(frequency)
        is_same = is_known & _equal(ours, theirs, {**keys, "ref": "ref", "alt": "alt"})
        is_turned = is_known & _equal(ours, theirs, {**keys, "ref": "alt", "alt": "ref"})
        is_turned &= self._is_only_alt[file_rows]
        found[rows[is_turned]] = 1.0 - frequency[is_turned]
        found[rows[is_same]] = frequency[is_same]


def read_frequencies(path: Path) -> Frequencies:
    """Read a frequency file, gzip or plain.

    Raises FrequencyFileError (file, line, column, fix) for one that cannot be used: a column
    missing, a frequency outside 0..1, more ALTs than frequencies, one ALT with two frequencies.
    """
    landmarks = {alias for aliases in COLUMN_ALIASES.values() for alias in aliases}
    text = read_delimited(path, error_type=FrequencyFileError, landmarks=landmarks)
    alts = _alts(text, _records(text))
    _refuse_contradictions(text, alts)
    contigs = alts["contig"].unique().drop_null()
    place_keys = _place_keys(alts["contig"], alts["position"], contigs)
    id_keys = _id_keys(alts["id"])
    is_only_alt = (alts["n_alts"].to_numpy() == 1) & _is_alone(*place_keys) & _is_alone(*id_keys)
    return Frequencies(
        source=str(path),
        sha256=text.sha256,
        names_ref=_layout(text)["ref"].lower() in _REF_NAMES,
        _alts=alts.select(["id", "ref", "alt", "frequency"]),
        _is_only_alt=is_only_alt,
        _contigs=contigs,
        _by_place=_Index.build(*place_keys),
        _by_id=_Index.build(*id_keys),
    )


def _records(text: DelimitedText) -> pa.RecordBatch:
    """The file's rows that have REF and a frequency, as strings, with their row number.

    ALT "." stays: plink2 writes it, with frequency 0, for a record without ALT, as a block does.
    """
    layout = _layout(text)
    read = text.columns(set(layout.values()))
    n_rows = len(read[layout["frequency"]])
    absent = pa.nulls(n_rows, pa.string())
    columns = {part: read[layout[part]] if part in layout else absent for part in COLUMN_ALIASES}
    columns["alt"] = columns["alt"].fill_null(".")
    records = pa.record_batch({**columns, "row": pa.array(np.arange(n_rows))})
    return records.filter(pc.and_(pc.is_valid(columns["ref"]), pc.is_valid(columns["frequency"])))


def _layout(text: DelimitedText) -> dict[str, str]:
    """Which column of the file, as written, plays which part."""
    written = {name.lower(): name for name in text.column_names if name}
    layout: dict[str, str] = {}
    for part, aliases in COLUMN_ALIASES.items():
        alias = next((alias for alias in aliases if alias in written), None)
        if alias is not None:
            layout[part] = written[alias]
    has_place = layout.keys() >= {"contig", "position"}
    for part in (*_NEEDED_PARTS, *(() if has_place else ("id",))):
        if part not in layout:
            raise text.error(
                f"the file has no {part} column.",
                fix=f"Name one column {' | '.join(COLUMN_ALIASES[part])}.",
            )
    return layout


def _alts(text: DelimitedText, records: pa.RecordBatch) -> pa.RecordBatch:
    """One row per ALT: contig, position, id, ref, alt, frequency (null none), n_alts, row."""
    alts = pc.split_pattern(pc.utf8_upper(records["alt"]), ",")
    listed = pc.split_pattern(records["frequency"], ",")
    n_alts = pc.list_value_length(alts)
    bad = first_true(pc.not_equal(n_alts, pc.list_value_length(listed)))
    if bad is not None:
        raise text.error(
            f"{n_alts[bad]} ALT alleles, but {records['frequency'][bad]} as frequencies.",
            row=records["row"][bad].as_py(),
            fix="Write one frequency per ALT allele.",
        )
    record_of = pc.list_parent_indices(alts)
    contig, position = _places(records)
    columns = {
        "contig": contig.take(record_of),
        "position": position.take(record_of),
        "id": records["id"].take(record_of),
        "ref": pc.utf8_upper(records["ref"]).take(record_of),
        "alt": pc.list_flatten(alts),
        "n_alts": n_alts.take(record_of),
        "row": records["row"].take(record_of),
    }
    columns["frequency"] = _fractions(text, pc.list_flatten(listed), columns["row"])
    return pa.record_batch(columns)


def _places(records: pa.RecordBatch) -> tuple[pa.Array, pa.Array]:
    """(contig, position): the columns', else those that the ID names; null where neither has."""
    named_contig, named_position, _, _ = places_in_ids(records["id"])
    has_place = pc.and_(pc.is_valid(records["contig"]), pc.is_valid(records["position"]))
    contig = pc.if_else(has_place, records["contig"], named_contig)
    position = pc.if_else(has_place, records["position"], named_position)
    return canonical_contigs(contig), parse_positions(position)


def _fractions(text: DelimitedText, words: pa.Array, rows: pa.Array) -> pa.Array:
    """float64 in 0..1, null where a word says that there is none."""
    words = pc.utf8_trim_whitespace(words)
    is_none = pc.is_in(words, value_set=pa.array(NULL_WORDS))
    numbers = parse_numbers(pc.if_else(is_none, pa.scalar(None, pa.string()), words))
    in_range = pc.and_(pc.greater_equal(numbers, 0), pc.less_equal(numbers, 1))
    bad = first_true(pc.invert(pc.or_(is_none, in_range.fill_null(False))))
    if bad is not None:
        raise text.error(
            f"{words[bad]} is not a frequency.",
            row=rows[bad].as_py(),
            fix="Write a number from 0 to 1, or NA.",
        )
    return numbers


def _refuse_contradictions(text: DelimitedText, alts: pa.RecordBatch) -> None:
    has_place = pc.and_(pc.is_valid(alts["contig"]), pc.is_valid(alts["position"]))
    no_id = pa.scalar(None, pa.string())
    keyed = alts.set_column(
        alts.schema.get_field_index("id"), "id", pc.if_else(has_place, no_id, alts["id"])
    )
    grouped = pa.Table.from_batches([keyed]).group_by(["contig", "position", "id", "ref", "alt"])
    facts = grouped.aggregate([("frequency", "min"), ("frequency", "max"), ("row", "max")])
    differs = pc.not_equal(facts["frequency_min"], facts["frequency_max"]).combine_chunks()
    bad = first_true(differs)
    if bad is not None:
        raise text.error(
            f"{facts['ref'][bad]} to {facts['alt'][bad]} is listed before, with another frequency.",
            row=facts["row_max"][bad].as_py(),
            fix="Keep the row that is right.",
        )


def _place_keys(
    contig: pa.Array, position: pa.Array, contigs: pa.Array
) -> tuple[npt.NDArray[np.int64], _Mask]:
    """(contig code and position in one integer, whether the file has that contig)."""
    code = pc.index_in(contig, value_set=contigs)
    is_known = pc.and_(pc.is_valid(code), pc.is_valid(position))
    codes = code.fill_null(0).cast(pa.int64()).to_numpy()
    return (codes << 40) | position.fill_null(0).to_numpy(), _mask(is_known)


def _id_keys(ids: pa.Array) -> tuple[npt.NDArray[np.bytes_], _Mask]:
    """(the first bytes of each ID, whether there is one): IDs with equal keys may still differ."""
    start = pc.binary_slice(ids.fill_null("").cast(pa.binary()), 0, _ID_KEY_BYTES)
    is_known = pc.and_(pc.is_valid(ids), pc.not_equal(ids, ".")).fill_null(False)
    keys = start.to_numpy(zero_copy_only=False).astype(f"S{_ID_KEY_BYTES}")
    return keys, _mask(is_known)


def _is_alone(keys: _Keys, is_known: _Mask) -> _Mask:
    """(rows,) whether no other row has the key; true where there is none."""
    alone = ~is_known
    _, inverse, n_equal = np.unique(keys[is_known], return_inverse=True, return_counts=True)
    alone[is_known] = n_equal[inverse] == 1
    return alone


def _equal(ours: pa.RecordBatch, theirs: pa.RecordBatch, columns: Mapping[str, str]) -> _Mask:
    equal = [pc.equal(ours[our], theirs[their]) for our, their in columns.items()]
    return _mask(reduce(pc.and_, equal).fill_null(False))


def _mask(booleans: pa.Array) -> _Mask:
    return booleans.to_numpy(zero_copy_only=False)
