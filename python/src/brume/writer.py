"""Sends readings in batches from a thread of its own, and keeps what it could not send.

W1: a reading that ``add`` took is held until the node has it on disk, has refused it for good, or the policy for a full
    buffer dropped it; each of these is counted.
W2: every attempt for a batch carries the same Idempotency-Key, so that a retry after a lost answer stores nothing
    twice.
W3: batches leave in order, one request at a time.
W4: memory is bounded, by readings and by characters.
W5: what the node refuses for good goes to ``on_rejected``; the rest of its batch is sent.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from datetime import datetime, timezone
from typing import Callable, Deque, List, NamedTuple, Optional, Sequence

from .backoff import Backoff
from .callbacks import tell
from .errors import BrumeError
from .parts import Part, is_refused, new_key, sift
from .readings import Line, ReadingInput, encode_reading, encode_time

#: Sends lines under their key, once; returns how many readings the node accepted.
SendLines = Callable[[Part], int]

#: Longest batch, characters: well below what a node accepts as one body.
_max_batch_length = 1_048_576
#: A fault of the node that meets the same readings this many times in a row is taken for theirs.
_max_internal_faults = 5


class WriterStats(NamedTuple):
    buffered: int
    written: int
    rejected: int
    dropped: int
    #: Failed attempts.
    failures: int


class _Batch(NamedTuple):
    number: int
    parts: List[Part]
    readings: int
    length: int


class Writer:
    """Made by :meth:`brume.Client.writer`; use it in a ``with``, which sends what is left at its end."""

    def __init__(
        self,
        send: SendLines,
        *,
        max_batch: int = 1_000,
        max_delay: float = 0.25,
        max_buffered: int = 100_000,
        max_buffered_length: int = 67_108_864,
        when_full: str = "block",
        block_timeout: Optional[float] = None,
        close_timeout: float = 10.0,
        stamp_time: bool = True,
        on_error: Optional[Callable[[BrumeError], None]] = None,
        on_rejected: Optional[Callable[[BrumeError, Sequence[str]], None]] = None,
    ) -> None:
        if when_full not in ("block", "drop-oldest", "reject"):
            hint = "Choose block, drop-oldest or reject."
            raise BrumeError("request_invalid", f"when_full cannot be {when_full!r}", hint=hint)
        self._send = send
        self._max_batch = max(1, min(max_batch, max_buffered // 2))
        self._max_delay = max_delay
        self._max_buffered = max_buffered
        self._max_length = max_buffered_length
        self._when_full = when_full
        self._block_timeout = block_timeout
        self._close_timeout = close_timeout
        self._stamp_time = stamp_time
        self._on_error = on_error
        self._on_rejected = on_rejected
        self._backoff = Backoff(0.25, 30.0)
        self._changed = threading.Condition()
        self._open: List[Line] = []
        self._open_readings = 0
        self._open_length = 0
        self._open_since = 0.0
        self._sealed: Deque[_Batch] = deque()
        self._sending: Optional[_Batch] = None
        self._next_number = 0
        #: Grows with each flush, which ends a pause between attempts.
        self._hurry = 0
        self._buffered = 0
        self._length = 0
        self._written = self._rejected = self._dropped = self._failures = 0
        self._last_error: Optional[BrumeError] = None
        self._internal_faults = 0
        self._is_closed = False
        self._is_ending = False
        self._thread: Optional[threading.Thread] = None

    def add(self, reading: ReadingInput) -> None:
        """Takes one reading; waits only where the buffer is full and the policy is ``block``.

        Raises ``readings_invalid``, ``writer_full`` and ``writer_closed``.
        """
        line = self._line(reading)
        with self._changed:
            self._make_room(line.readings)
            self._push(line)

    def try_add(self, reading: ReadingInput) -> bool:
        """As ``add``, but never waits: False where that would be due, and the reading is not taken."""
        line = self._line(reading)
        with self._changed:
            if self._when_full == "block" and not self._is_closed and not self._has_room(line.readings):
                return False
            self._make_room(line.readings)
            self._push(line)
            return True

    def flush(self, timeout: Optional[float] = None) -> None:
        """Sends at once what is held; returns when the node has it all, or refused it for good.

        Raises the last failure when the time is over; what was not sent is kept.
        """
        with self._changed:
            self._seal()
            last = self._next_number
            self._hurry += 1
            self._changed.notify_all()
            if self._changed.wait_for(lambda: not self._sealed or self._sealed[0].number >= last, timeout):
                return
            why = self._last_error
            raise BrumeError(
                "node_unreachable" if why is None else why.code,
                f"{self._buffered} readings are still unsent after {timeout or 0:g} s"
                + ("" if why is None else f": {why.message}"),
                hint="Allow more time." if why is None else why.hint,
                retry="later",
                details={"unsent": self._buffered},
            ) from why

    def stats(self) -> WriterStats:
        with self._changed:
            return WriterStats(self._buffered, self._written, self._rejected, self._dropped, self._failures)

    def unsent(self) -> List[str]:
        """What is held, as NDJSON lines, oldest first; for a program that saves it in its own way."""
        with self._changed:
            sealed = [line for batch in self._sealed for part in batch.parts for line in part.lines]
            return sealed + [line.text for line in self._open]

    def close(self, timeout: Optional[float] = None) -> None:
        """Takes nothing more, sends what is held, and ends; raises the last failure where that is not possible in time.

        Waits ``close_timeout`` s where no other time is given. What could not be sent is in :meth:`unsent`.
        """
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        try:
            self.flush(self._close_timeout if timeout is None else timeout)
        finally:
            with self._changed:
                self._is_ending = True
                self._changed.notify_all()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: Optional[type], *_error: object) -> None:
        try:
            self.close()
        except BrumeError:
            # The error that ends the block is the one to be told.
            if kind is None:
                raise

    def _line(self, reading: ReadingInput) -> Line:
        # It may arrive much later.
        return encode_reading(reading, str(encode_time(datetime.now(timezone.utc))) if self._stamp_time else None)

    def _push(self, line: Line) -> None:
        self._start()
        if not self._open:
            self._open_since = time.monotonic()
        self._open.append(line)
        self._open_readings += line.readings
        self._open_length += len(line.text)
        self._buffered += line.readings
        self._length += len(line.text)
        if self._open_readings >= self._max_batch or self._open_length >= _max_batch_length:
            self._seal()
        # Only the first of a batch changes how long the sender may sleep.
        elif len(self._open) == 1:
            self._changed.notify_all()

    def _make_room(self, readings: int) -> None:
        if self._is_closed:
            raise _closed_error()
        while not self._has_room(readings):
            if self._when_full == "reject":
                raise self._full_error()
            if self._when_full == "drop-oldest":
                if not self._drop_oldest():
                    return
                continue
            is_free = self._changed.wait_for(lambda: self._is_closed or self._has_room(readings), self._block_timeout)
            if self._is_closed:
                raise _closed_error()
            if not is_free:
                raise self._full_error()

    def _has_room(self, readings: int) -> bool:
        # An empty buffer takes anything, else a big reading could never leave.
        if self._buffered == 0:
            return True
        return self._buffered + readings <= self._max_buffered and self._length < self._max_length

    def _drop_oldest(self) -> bool:
        if not any(batch is not self._sending for batch in self._sealed):
            self._seal()
        for batch in self._sealed:
            if batch is not self._sending:
                self._remove(batch)
                # Of a batch that was refused in part, some is written already.
                self._dropped += sum(Part.count(line) for part in batch.parts for line in part.lines)
                return True
        return False

    def _seal(self) -> None:
        if not self._open:
            return
        part = Part(new_key(), [line.text for line in self._open])
        self._sealed.append(_Batch(self._next_number, [part], self._open_readings, self._open_length))
        self._next_number += 1
        self._open, self._open_readings, self._open_length = [], 0, 0
        self._changed.notify_all()

    def _remove(self, batch: _Batch) -> None:
        self._sealed.remove(batch)
        self._buffered -= batch.readings
        self._length -= batch.length
        self._changed.notify_all()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="brume-writer", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        """Sends batch after batch until the writer ends. (W3)"""
        failures = 0
        while True:
            batch = self._next_batch()
            if batch is None:
                return
            try:
                self._deliver(batch)
                failures = 0
            except BrumeError as error:
                failures += 1
                self._wait_after(error, failures)

    def _next_batch(self) -> Optional[_Batch]:
        with self._changed:
            while True:
                if self._is_ending:
                    return None
                if self._sealed:
                    self._sending = self._sealed[0]
                    return self._sending
                if not self._open:
                    self._changed.wait()
                    continue
                left = self._open_since + self._max_delay - time.monotonic()
                if left > 0:
                    self._changed.wait(left)
                else:
                    self._seal()

    def _deliver(self, batch: _Batch) -> None:
        """All parts of it; a failure that time may heal is raised, and the next attempt goes on with what is left."""
        try:
            while batch.parts:
                self._deliver_part(batch, batch.parts[0])
        finally:
            with self._changed:
                self._sending = None
                if not batch.parts:
                    self._remove(batch)

    def _deliver_part(self, batch: _Batch, part: Part) -> None:
        try:
            written = self._send(part)
        except BrumeError as error:
            self._internal_faults = self._internal_faults + 1 if error.code == "internal" else 0
            if not is_refused(error) and self._internal_faults < _max_internal_faults:
                raise
            parts, refused = sift(part, error)
            with self._changed:
                batch.parts[0:1] = parts
                self._rejected += sum(Part.count(line) for line in refused)
            # W5
            if refused and self._on_rejected is not None:
                tell(self._on_rejected, error, refused)
        else:
            with self._changed:
                batch.parts.pop(0)
                self._written += written
        self._internal_faults = 0

    def _wait_after(self, error: BrumeError, failures: int) -> None:
        asked = error.details.get("retryAfterS")
        wait_s = self._backoff.wait_s(failures)
        if isinstance(asked, (int, float)):
            wait_s = min(self._backoff.max_s, max(wait_s, float(asked)))
        with self._changed:
            self._last_error = error
            self._failures += 1
        if self._on_error is not None:
            tell(self._on_error, error)
        with self._changed:
            # A flush that begins now does not wait for the pause, but the attempts after it do.
            hurry = self._hurry
            self._changed.wait_for(lambda: self._is_ending or self._hurry > hurry, wait_s)

    def _full_error(self) -> BrumeError:
        hint = 'Wait with when_full="block", raise max_buffered, or choose "drop-oldest".'
        message = f"The writer holds {self._buffered} readings that the node has not taken yet"
        return BrumeError("writer_full", message, hint=hint)


def _closed_error() -> BrumeError:
    hint = "Add readings before close(), or make a new writer."
    return BrumeError("writer_closed", "This writer is closed and takes no more readings", hint=hint)
