"""SQL over readings: rows as dicts, all at once or while they arrive, and as a table of pandas."""

from __future__ import annotations

import codecs
import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Union

from .errors import BrumeError, error_of_problem, foreign_answer
from .readings import encode_time
from .table import to_pandas
from .transport import Call, Transport

if TYPE_CHECKING:
    import pandas

#: A value of a row is what JSON makes of it: times are ISO 8601 texts with µs, integers of any length are ints.
Row = Dict[str, Any]
Parameter = Union[str, int, float, bool, None, datetime]

#: Beyond the statement's own limit, s: for the way there and back, and a place in the node's queue.
_grace_s = 10.0
#: How long the answer to a statement without a limit of its own may take to begin, or to go on, s.
_patience_s = 120.0
_max_exact = 2**53
_big_integers = frozenset(("BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT"))


class Column(NamedTuple):
    name: str
    #: DuckDB's name of the type, e.g. DOUBLE, TIMESTAMP.
    type: str


class Rows(List[Row]):
    """The rows of a statement, a list of dicts."""

    def __init__(self, columns: Sequence[Column], rows: Sequence[Row]) -> None:
        super().__init__(rows)
        self.columns = list(columns)

    def to_pandas(self) -> "pandas.DataFrame":
        """A DataFrame with the columns of the statement; times are datetime64 in UTC. Needs pandas."""
        return to_pandas(self.columns, self)


class RowStream:
    """Rows that are still arriving: iterate once. Leaving its ``with``, or ``close``, stops the statement."""

    def __init__(self, pieces: Iterator[bytes], url: str, max_bytes: Optional[int] = None) -> None:
        self._pieces = pieces
        self._url = url
        self._max_bytes = max_bytes
        self._bytes = 0
        self._parser = _RowParser()
        self._decode = codecs.getincrementaldecoder("utf-8")()
        self._is_over = False
        self._ready: List[Row] = []
        while self._parser.head is None and not self._is_over:
            self._ready += self._next_portion()
        head = self._parser.head
        if head is None:
            raise foreign_answer(url, "its answer has no rows")
        #: Names the statement while it runs.
        self.id = str(head.get("id", ""))
        self.columns = [Column(str(one.get("name")), str(one.get("type"))) for one in head.get("columns", [])]
        self._wide = [column.name for column in self.columns if column.type in _big_integers]
        self._floats = [column.name for column in self.columns if column.type in ("DOUBLE", "FLOAT")]

    def portions(self) -> Iterator[List[Row]]:
        """The rows in the portions in which they arrive: cheaper than one by one."""
        try:
            while True:
                rows, self._ready = self._ready, []
                if rows:
                    yield self._exact(rows)
                if self._is_over:
                    return
                self._ready = self._next_portion()
        finally:
            self.close()

    def __iter__(self) -> Iterator[Row]:
        for rows in self.portions():
            yield from rows

    def close(self) -> None:
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()

    def __enter__(self) -> "RowStream":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _next_portion(self) -> List[Row]:
        try:
            piece = next(self._pieces, None)
        except BrumeError as error:
            # A node that breaks an answer off says why before.
            raise self._parser.last_words() or error from error
        try:
            if piece is not None:
                self._count(piece)
                return self._parser.push(self._decode.decode(piece))
            self._is_over = True
            rows = self._parser.push(self._decode.decode(b"", True), is_last=True)
            problem = self._parser.last_words()
            if problem is not None:
                raise problem
            self._parser.end()
            return rows
        except (ValueError, RecursionError) as error:
            self.close()
            raise foreign_answer(self._url, "its answer broke off or is not JSON") from error

    def _count(self, piece: bytes) -> None:
        self._bytes += len(piece)
        if self._max_bytes is None or self._bytes <= self._max_bytes:
            return
        self.close()
        hint = "Stream it with query_stream(), ask for fewer rows, or raise max_answer_bytes."
        raise BrumeError("payload_too_large", f"The result has more than {self._max_bytes} bytes", hint=hint)

    def _exact(self, rows: List[Row]) -> List[Row]:
        """Integers beyond 2^53 travel as texts, and 6.0 as 6; Python tells ints from floats."""
        for name in self._wide:
            for row in rows:
                if isinstance(row.get(name), str):
                    row[name] = int(row[name])
        for name in self._floats:
            for row in rows:
                if type(row.get(name)) is int:
                    row[name] = float(row[name])
        return rows


def query_stream(
    transport: Transport,
    sql: str,
    parameters: Sequence[Parameter],
    *,
    max_rows: Optional[int],
    timeout: Optional[float],
    max_bytes: Optional[int] = None,
) -> RowStream:
    """``timeout`` is the statement's limit on the node, s."""
    body: Dict[str, Any] = {"sql": sql, "format": "json"}
    if parameters:
        body["parameters"] = [_parameter(value) for value in parameters]
    if max_rows is not None:
        body["maxRows"] = max_rows
    if timeout is not None:
        body["timeoutMs"] = max(1, round(timeout * 1_000))
    silence_s = _patience_s if timeout is None else timeout + _grace_s
    call = Call(
        "POST",
        "v1/query",
        is_idempotent=True,
        headers={"content-type": "application/json", "accept": "application/json, application/problem+json"},
        body=json.dumps(body, allow_nan=False).encode(),
        # A statement that ran into a limit is not worth the node's time again.
        final=("query_timeout", "query_cancelled"),
        timeout=silence_s,
    )
    return RowStream(transport.download(call, silence_s), transport.address.url, max_bytes)


def query_rows(transport: Transport, sql: str, parameters: Sequence[Parameter], **options: Any) -> Rows:
    rows: List[Row] = []
    stream = query_stream(transport, sql, parameters, max_bytes=transport.max_answer_bytes, **options)
    for portion in stream.portions():
        rows += portion
    return Rows(stream.columns, rows)


def _parameter(value: Parameter) -> Union[str, int, float, bool, None]:
    if isinstance(value, datetime):
        return encode_time(value, "A parameter")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _max_exact:
        return str(value)
    return value


class _RowParser:
    """Parses the JSON answer of a query while it arrives, so that a big result never has to fit into memory at once."""

    _rows_begin = re.compile(r'"rows"\s*:\s*\[')
    _between = re.compile(r"[\s,]*")

    def __init__(self) -> None:
        self.head: Optional[Dict[str, Any]] = None
        self._text = ""
        #: The rows are over; what is left is the rest of the outermost object.
        self._is_tail = False
        self._decoder = json.JSONDecoder()
        #: A row that is incomplete is tried again when so much text is there: a huge one is not scanned for each piece.
        self._patience = 0

    def push(self, text: str, is_last: bool = False) -> List[Row]:
        self._text += text
        if self.head is None:
            found = self._rows_begin.search(self._text)
            if found is None:
                return []
            self.head = json.loads(self._text[: found.end()] + "]}")
            self._text = self._text[found.end() :]
        if self._is_tail or (len(self._text) < self._patience and not is_last):
            return []
        return self._rows(is_last)

    def _rows(self, is_last: bool) -> List[Row]:
        rows: List[Row] = []
        text, at = self._text, 0
        while True:
            match = self._between.match(text, at)
            at = at if match is None else match.end()
            if at >= len(text):
                break
            if text[at] == "]":
                self._is_tail = True
                at += 1
                break
            try:
                row, at = self._decoder.raw_decode(text, at)
            except ValueError:
                if is_last:
                    raise
                break
            rows.append(row)
        self._text = text[at:]
        self._patience = 0 if rows else 2 * len(self._text)
        return rows

    def end(self) -> Dict[str, Any]:
        """What follows the rows. Raises ValueError when the answer is incomplete."""
        if not self._is_tail:
            raise ValueError("the answer is incomplete")
        rest: Dict[str, Any] = json.loads('{"rows":[]' + self._text)
        return rest

    def last_words(self) -> Optional[BrumeError]:
        try:
            problem = self.end().get("error")
        except ValueError:
            # It came to no last words: the connection itself was lost.
            return None
        return error_of_problem(problem) if isinstance(problem, dict) else None
