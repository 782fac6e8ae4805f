"""What most operations of the API share: a JSON body, a JSON answer, and lists in pages."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from .errors import BrumeError, foreign_answer
from .transport import Call, Transport, expect_object

#: Pages of one list, so that a cursor that leads in a circle ends.
_max_pages = 100_000


def json_call(
    method: str,
    path: str,
    body: Any = None,
    *,
    is_idempotent: Optional[bool] = None,
    headers: Optional[Mapping[str, str]] = None,
    search: Sequence[Tuple[str, str]] = (),
    timeout: Optional[float] = None,
) -> Call:
    """``body`` None is no body. Raises ``request_invalid`` for what is no JSON.

    GET is idempotent, others as it is said.
    """
    try:
        data = None if body is None else json.dumps(body, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BrumeError(
            "request_invalid", f"What was given is no JSON: {error}", hint="Use plain JSON values."
        ) from error
    more = {} if data is None else {"content-type": "application/json"}
    repeats = method == "GET" if is_idempotent is None else is_idempotent
    return Call(method, path, repeats, search, {**more, **(headers or {})}, data, (), timeout)


def pages(
    transport: Transport, path: str, member: str, search: Sequence[Tuple[str, str]] = ()
) -> Iterator[Dict[str, Any]]:
    """The members of a list over all its pages."""
    cursor: Optional[str] = None
    for _ in range(_max_pages):
        more = [] if cursor is None else [("cursor", cursor)]
        page = expect_object(transport.json(json_call("GET", path, search=[*search, *more])), transport.address.url)
        items = page.get(member)
        if not isinstance(items, list):
            raise foreign_answer(transport.address.url, f"its answer has no {member}")
        yield from items
        cursor = page.get("cursor")
        if not isinstance(cursor, str):
            return
