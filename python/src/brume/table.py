"""Rows as a table of pandas, which is imported here and nowhere else, and not before it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping, Sequence, Tuple

from .errors import BrumeError

if TYPE_CHECKING:
    import pandas

_integers = {
    "TINYINT": "int8",
    "SMALLINT": "int16",
    "INTEGER": "int32",
    "BIGINT": "int64",
    "UTINYINT": "uint8",
    "USMALLINT": "uint16",
    "UINTEGER": "uint32",
    "UBIGINT": "uint64",
}


def to_pandas(columns: Sequence[Tuple[str, str]], rows: Sequence[Mapping[str, Any]]) -> "pandas.DataFrame":
    try:
        import pandas
    except ImportError as error:
        hint = "Install it: apt-get install python3-pandas, or pip install brume[pandas]."
        raise BrumeError("usage", "to_pandas() needs pandas, which is not installed", hint=hint) from error
    table = {name: _series(pandas, kind, [row.get(name) for row in rows]) for name, kind in columns}
    return pandas.DataFrame(table, columns=[name for name, _ in columns])


def _series(pandas: Any, kind: str, values: Sequence[Any]) -> Any:
    """One column with the type that it has in the node. What is missing is NaN, NaT or NA."""
    if kind.startswith("TIMESTAMP") or kind == "DATE":
        try:
            return pandas.Series(pandas.to_datetime(values, utc=True)).astype("datetime64[ns, UTC]")
        except pandas.errors.OutOfBoundsDatetime:
            # Years before 1677 and after 2262 do not fit: such a column stays as it came.
            return pandas.Series(values, dtype="object")
    if kind in ("DOUBLE", "FLOAT"):
        return pandas.Series(values, dtype="float64" if kind == "DOUBLE" else "float32")
    if kind in _integers:
        plain = _integers[kind]
        # The nullable types are named with capitals.
        name = plain if None not in values else plain.replace("uint", "UInt").replace("int", "Int", 1)
        return pandas.Series(values, dtype=name)
    if kind == "BOOLEAN":
        return pandas.Series(values, dtype="bool" if None not in values else "boolean")
    return pandas.Series(values, dtype="object")
