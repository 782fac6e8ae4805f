"""Readings as they become durable on a node, over connections that may break.

L1: a connection that is lost is opened again, after a growing, jittered pause, until the subscription is closed, the
    node refuses it for good (token, filter), or the written number of attempts failed in a row.
L2: readings that were missed are never invented: each interval in which some may have been missed is told as a gap,
    before the readings that come after it.
L3: the queue to a slow reader is bounded; what it drops is counted and told as a gap.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Callable, Deque, List, NamedTuple, Optional, Protocol, Sequence, Tuple, Union
from urllib.parse import urlencode

from .backoff import Backoff
from .callbacks import tell
from .connection import Address
from .errors import BrumeError, foreign_answer
from .readings import encode_time
from .shapes import Reading
from .socket_stream import SocketStream, open_stream
from .websocket import Binary, Text

#: One filter with MQTT wildcards (``+`` one level, ``#`` the rest), several, or None for everything.
Filter = Union[str, Sequence[str], None]

#: Longest message of the node that is taken, bytes.
_max_message_bytes = 67_108_864


@dataclass(frozen=True)
class Gap:
    """An interval in which readings may be missing from the stream. They are on the node: ask it with SQL."""

    #: ``disconnected``: there was no connection; ``slow``: the node or the queue here left some out.
    reason: str
    #: The last reading before the gap, or None.
    after: Optional[Reading]
    #: ISO 8601: ``received`` of the reading before the gap, else by this machine's clock.
    since: str
    #: ISO 8601, by this machine's clock.
    until: str
    #: How many were left out, where that is known.
    count: Optional[int]


class LiveOptions(NamedTuple):
    devices: Tuple[str, ...]
    properties: Tuple[str, ...]
    on_gap: Optional[Callable[[Gap], None]]
    max_queued: int
    max_attempts: Optional[int]
    #: A link without a sign of life for this long is dead, s. The node shows one at least every 40 s.
    silence: float


class Sink(Protocol):
    """Who hears of readings. Called in the task of the feed."""

    def opened(self) -> None: ...

    def accept(self, readings: List[Reading]) -> int:
        """Returns how many older ones gave way."""
        ...


def live_options(
    device: Filter,
    property: Filter,
    *,
    on_gap: Optional[Callable[[Gap], None]] = None,
    max_queued: int = 10_000,
    max_attempts: Optional[int] = None,
    silence: float = 60.0,
) -> LiveOptions:
    return LiveOptions(
        _filters("device", device), _filters("property", property), on_gap, max_queued, max_attempts, silence
    )


def filter_problem(given: str) -> Optional[str]:
    """Why a filter is malformed, or None when it is fine. [MQTT-4.7.1-1..3]"""
    if given == "":
        return "is empty"
    levels = given.split("/")
    for number, level in enumerate(levels, 1):
        if "#" in level and (level != "#" or number != len(levels)):
            return "has # elsewhere than as its last level"
        if "+" in level and level != "+":
            return "has + inside a level"
    return None


def _filters(what: str, given: Filter) -> Tuple[str, ...]:
    filters = () if given is None else (given,) if isinstance(given, str) else tuple(given)
    for one in filters:
        problem = filter_problem(one)
        if problem is not None:
            hint = "+ stands for one whole level, # for the rest and only at the end: cold/+/door, cold/#."
            raise BrumeError("request_invalid", f"The {what} filter {one!r} {problem}", hint=hint)
    return filters


class Feed:
    """Brings readings to its sink, over as many connections as that takes."""

    def __init__(
        self,
        address: Address,
        token: Optional[str],
        context: Optional[ssl.SSLContext],
        options: LiveOptions,
        sink: Sink,
    ) -> None:
        self._address = address
        self._token = token
        self._context = context
        self._options = options
        self._sink = sink
        self._backoff = Backoff(0.5, 30.0)
        #: Set before the feed is cancelled: before Python 3.12 asyncio.wait_for may swallow that.
        self.is_stopped = False
        self._failures = 0
        self._last: Optional[Reading] = None
        #: Last sign of life by this machine's clock; None before the first connection.
        self._alive_at: Optional[str] = None

    async def run(self) -> None:
        """Ends by being cancelled, or by raising why there is nothing more to hear. (L1)"""
        while not self.is_stopped:
            try:
                await self._connection()
            except BrumeError as error:
                self._failures += 1
                limit = self._options.max_attempts
                if error.retry == "never" or (limit is not None and self._failures >= limit):
                    raise
            await asyncio.sleep(self._backoff.wait_s(self._failures))

    async def _connection(self) -> None:
        filters = [("device", one) for one in self._options.devices]
        filters += [("property", one) for one in self._options.properties]
        target = f"v1/live?{urlencode(filters)}" if filters else "v1/live"
        stream = await open_stream(self._address, target, self._token, self._context, _max_message_bytes)
        try:
            # L2
            if self._alive_at is not None:
                self._gap("disconnected", None)
            self._alive_at = _now()
            self._sink.opened()
            await self._hear(stream)
        finally:
            await stream.close()

    async def _hear(self, stream: SocketStream) -> None:
        while not self.is_stopped:
            for event in await stream.events(self._options.silence):
                # A message, a heartbeat among them, or a ping: the node keeps this connection.
                self._failures = 0
                self._alive_at = _now()
                if isinstance(event, Text):
                    self._message(event.text)
                elif isinstance(event, Binary):
                    raise foreign_answer(self._address.url, "a message of its stream is not text")

    def _message(self, text: str) -> None:
        try:
            message: Any = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise foreign_answer(self._address.url, "a message of its stream is not JSON") from error
        if not isinstance(message, dict):
            raise foreign_answer(self._address.url, "a message of its stream is not an object")
        readings = message.get("readings")
        if message.get("type") == "readings" and isinstance(readings, list) and readings:
            dropped = self._sink.accept(readings)
            # L3
            if dropped > 0:
                self._gap("slow", dropped)
            self._last = readings[-1]
        elif message.get("type") == "dropped":
            count = message.get("count")
            self._gap("slow", count if isinstance(count, int) else None)

    def _gap(self, reason: str, count: Optional[int]) -> None:
        if self._options.on_gap is None:
            return
        until = _now()
        since = self._alive_at or until if self._last is None else self._last["received"]
        tell(self._options.on_gap, Gap(reason, self._last, since, until, count))


class ReadingQueue:
    """Readings between the feed and a slow reader: bounded; the oldest give way and are counted."""

    def __init__(self, limit: int) -> None:
        self._items: Deque[Reading] = deque()
        self._limit = max(1, limit)
        self.dropped = 0
        self.received = 0

    def __len__(self) -> int:
        return len(self._items)

    def push(self, readings: Sequence[Reading]) -> int:
        """Returns how many gave way."""
        self._items.extend(readings)
        self.received += len(readings)
        excess = max(0, len(self._items) - self._limit)
        for _ in range(excess):
            self._items.popleft()
        self.dropped += excess
        return excess

    def shift(self) -> Reading:
        return self._items.popleft()


def _now() -> str:
    return str(encode_time(datetime.now(timezone.utc)))
