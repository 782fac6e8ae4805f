"""Readings on their way to a node: what a program hands over, as NDJSON lines."""

from __future__ import annotations

import json
import math
import re
from datetime import datetime, timezone
from typing import Any, Iterable, Mapping, NamedTuple, Optional, Sequence, Set, Tuple, Union

from .errors import BrumeError

#: One reading: a dict as the API takes it, or ``(device, property, value)``, with the time as an optional fourth.
ReadingInput = Union[Mapping[str, Any], Tuple[str, str, Any], Tuple[str, str, Any, Any]]

_max_name_length = 512
_unreadable = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
#: Names that were looked at: the same few come again and again.
_good_names: Set[str] = set()
#: Names remembered; beyond, all are forgotten.
_max_good_names = 10_000
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_members = frozenset(("device", "property", "value", "values", "time", "tags", "quality"))


class Line(NamedTuple):
    """One line of NDJSON, without the line's end, and how many readings it stands for."""

    text: str
    readings: int


def is_one_reading(given: Any) -> bool:
    return isinstance(given, Mapping) or (
        isinstance(given, tuple) and len(given) in (3, 4) and isinstance(given[0], str)
    )


def encode_all(given: Union[ReadingInput, Iterable[ReadingInput]]) -> Tuple[str, int]:
    """All of them as NDJSON, and how many. Raises ``readings_invalid`` for what no node accepts."""
    inputs: Iterable[Any] = [given] if is_one_reading(given) else given
    lines = [encode_reading(reading) for reading in inputs]
    if not lines:
        raise BrumeError("readings_invalid", "There are no readings to write", hint="Give at least one.")
    return "\n".join(line.text for line in lines), sum(line.readings for line in lines)


def encode_reading(given: ReadingInput, default_time: Optional[str] = None) -> Line:
    """Raises ``readings_invalid`` for what no node accepts, so that the fault shows where it was made.

    ``default_time`` is the time of a reading that has none, ISO 8601.
    """
    reading = _as_mapping(given)
    if not _members.issuperset(reading):
        unknown = sorted(str(name) for name in reading if name not in _members)
        raise _refused("A reading", f"has the unknown member {unknown[0]!r}")
    device = _name("device", reading.get("device"))
    out: dict[str, Any] = {"device": device}
    if "values" in reading:
        values = reading["values"]
        if not isinstance(values, Mapping) or not values:
            raise _refused(device, "has no values")
        if "property" in reading or "value" in reading:
            raise _refused(device, "has both value and values")
        out["values"] = {_name("property", name): _value(one, f"{device}.{name}") for name, one in values.items()}
    else:
        out["property"] = _name("property", reading.get("property"))
        out["value"] = _value(reading.get("value"), f"{device}.{out['property']}")
    time = reading.get("time", default_time)
    if time is not None:
        out["time"] = encode_time(time, device)
    if reading.get("tags") is not None:
        out["tags"] = dict(reading["tags"])
    if reading.get("quality") is not None:
        out["quality"] = reading["quality"]
    return Line(_json(out, device), len(out.get("values", (1,))))


def encode_time(time: Any, device: str = "A reading") -> Union[str, int, float]:
    """ISO 8601 with µs for a datetime; a text or a number (ms since 1970 UTC) as it is.

    A datetime without a time zone is refused: nobody can know which moment it means.
    """
    # pandas' Timestamp is a datetime; numpy's datetime64 is not, and says its text itself.
    if isinstance(time, datetime):
        if time.tzinfo is None:
            raise _refused(device, "has a time without a time zone (use datetime.now(timezone.utc))")
        utc = time.astimezone(timezone.utc)
        return f"{utc.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
    if isinstance(time, str):
        return time
    if isinstance(time, (int, float)) and not isinstance(time, bool) and math.isfinite(time):
        return time
    raise _refused(device, f"has a time that is none ({type(time).__name__})")


def parse_time(text: str) -> datetime:
    """A time of the API (``2025-01-01T00:00:00.000000Z``) as a datetime in UTC."""
    return datetime.fromisoformat(text[:-1] if text.endswith("Z") else text).replace(tzinfo=timezone.utc)


def _as_mapping(given: Any) -> Mapping[str, Any]:
    if isinstance(given, Mapping):
        return given
    if isinstance(given, Sequence) and not isinstance(given, (str, bytes)) and len(given) in (3, 4):
        reading = dict(zip(("device", "property", "value", "time"), given))
        return reading
    raise _refused("A reading", "is neither a dict nor (device, property, value[, time])")


def _name(what: str, name: Any) -> str:
    if not isinstance(name, str):
        raise _refused(f"The {what}", "is missing" if name is None else f"is no text ({type(name).__name__})")
    if name in _good_names:
        return name
    if name == "":
        raise _refused(f"The {what}", "is empty")
    # The node counts UTF-16 code units.
    if len(name) + sum(character > "\uffff" for character in name) > _max_name_length:
        raise _refused(f"The {what} {name[:80]!r}", f"is longer than {_max_name_length} characters")
    if _unreadable.search(name):
        raise _refused(f"The {what} {name[:80]!r}", "contains a control character or half a surrogate pair")
    if len(_good_names) >= _max_good_names:
        _good_names.clear()
    _good_names.add(name)
    return name


def _value(value: Any, where: str) -> Any:
    if value is None:
        raise _refused(where, "has no value (None)")
    if isinstance(value, (bool, str, list, dict)):
        return value
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _refused(where, f"has the value {value}, which is no number")
        return value
    if isinstance(value, (tuple, Mapping)):
        return dict(value) if isinstance(value, Mapping) else list(value)
    # Scalars of numpy and Decimal know the number that they are.
    item = getattr(value, "item", None)
    if callable(item):
        return _value(item(), where)
    raise _refused(where, f"has a value of the type {type(value).__name__}")


def _json(out: Mapping[str, Any], device: str) -> str:
    try:
        text = _encode(out)
        if not text.isascii():
            # Half a surrogate pair in a value is no UTF-8.
            text.encode()
        return text
    except (TypeError, ValueError, RecursionError) as error:
        raise _refused(device, f"is no JSON: {error}") from error


def _refused(what: str, why: str) -> BrumeError:
    hint = "Leave out readings that have no value; name device and property in plain text."
    return BrumeError("readings_invalid", f"Reading refused before it was sent: {what} {why}", hint=hint)
