"""Scoring files of one study name the same variants: what several say alike is held once."""

import pyarrow as pa


class SharedColumns:
    """The columns of the scoring files seen last, by name."""

    def __init__(self) -> None:
        self._latest: dict[str, pa.ChunkedArray] = {}

    def of(self, rows: pa.Table) -> pa.Table:
        """The same table; a column that says what that of the table before said is that one."""
        columns = [self._held(name, rows.column(name)) for name in rows.column_names]
        return pa.Table.from_arrays(columns, schema=rows.schema)

    def _held(self, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
        if name not in self._latest or not self._latest[name].equals(column):
            self._latest[name] = column
        return self._latest[name]
