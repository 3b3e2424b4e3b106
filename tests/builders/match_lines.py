"""Lines of MATCH_SCHEMA."""

import pyarrow as pa

from core.scoring.shard import MATCH_SCHEMA

MATCHED, EXCLUDED, UNMATCHED = 0, 1, 2


def matches(*rows: tuple[int, int, int]) -> pa.Table:
    """(row, status, match type), all of one block."""
    return matches_in_blocks(*((0, *row) for row in rows))


def matches_in_blocks(*rows: tuple[int, int, int, int]) -> pa.Table:
    """(block, row, status, match type)."""
    columns = ("block", "row", "status", "match_type")
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    return pa.Table.from_pylist(
        [row | {"n_rows": 1, "shard": 0, "reason": -1, "variant_id": "v"} for row in named],
        schema=MATCH_SCHEMA,
    )
