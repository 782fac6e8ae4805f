"""Finding the readings that a node refuses in a batch that holds good ones too.

By the lines that the node names, or, where it names none or not all, by halving and sending both halves. Keys of parts
derive from the batch's key, so that the same part, sent again, is the same request.
"""

from __future__ import annotations

import json
import re
import secrets
from typing import List, NamedTuple, Optional, Sequence, Set, Tuple

from .errors import BrumeError

#: These refuse the readings themselves: the same readings never pass.
_poison = frozenset(
    (
        "readings_invalid",
        "readings_too_many",
        "payload_too_large",
        "payload_encoding",
        "request_invalid",
        "idempotency_conflict",
    )
)
#: Beyond this length of a key, parts are found by halving alone: a node accepts 255 characters.
_max_key_length = 200
_line_number = re.compile(r"line (\d+)\b")


class Part(NamedTuple):
    #: Idempotency-Key of its request.
    key: str
    lines: Sequence[str]

    @staticmethod
    def count(line: str) -> int:
        """How many readings a line stands for."""
        return len(json.loads(line).get("values", (1,)))


def new_key() -> str:
    """128 random bits as hex."""
    return secrets.token_hex(16)


def checked_key(key: Optional[str]) -> str:
    if key is None:
        return new_key()
    # Room for the number of a batch.
    if re.fullmatch(r"[\x20-\x7e]{1,240}", key):
        return key
    hint = "A key is printable ASCII, at most 240 characters."
    raise BrumeError("request_invalid", f"{key[:80]!r} cannot be an Idempotency-Key", hint=hint)


def is_refused(error: BrumeError) -> bool:
    # A token without the right to write is mended by people; one that is limited to devices refuses some readings.
    if error.code == "forbidden":
        return isinstance(error.details.get("device"), str)
    return error.code in _poison


def sift(part: Part, error: BrumeError) -> Tuple[List[Part], Sequence[str]]:
    """What is to be sent instead of the part, and which lines of it are lost."""
    key, lines = part
    if len(lines) < 2:
        return [], lines
    named = _named_lines(error, lines)
    if named is not None and len(key) < _max_key_length:
        rest = [line for number, line in enumerate(lines, 1) if number not in named]
        refused = [line for number, line in enumerate(lines, 1) if number in named]
        return ([Part(f"{key}x", rest)] if rest else []), refused
    middle = (len(lines) + 1) // 2
    return [Part(f"{key}0", lines[:middle]), Part(f"{key}1", lines[middle:])], []


def _named_lines(error: BrumeError, lines: Sequence[str]) -> Optional[Set[int]]:
    """The numbers of bad lines, counted from 1; None when the error names not every line that it means."""
    details = error.details
    if error.code == "forbidden":
        device = details.get("device")
        numbers = {number for number, line in enumerate(lines, 1) if json.loads(line).get("device") == device}
        return numbers or None
    mistakes = details.get("mistakes")
    if error.code != "readings_invalid" or not isinstance(mistakes, list) or details.get("count") != len(mistakes):
        return None
    found = [_line_number.match(str(mistake.get("at"))) for mistake in mistakes if isinstance(mistake, dict)]
    numbers = {int(match.group(1)) for match in found if match is not None}
    is_complete = len(found) == len(mistakes) and None not in found and numbers
    return numbers if is_complete and all(1 <= number <= len(lines) for number in numbers) else None
