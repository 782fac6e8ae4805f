"""Live readings as an iterator, for programs with threads and for programs with asyncio. The feed is the same."""

from __future__ import annotations

import asyncio
import threading
from typing import Callable, List, NamedTuple, Optional

from .errors import BrumeError
from .live import Feed, ReadingQueue, Sink
from .shapes import Reading

#: Makes the feed that brings readings to a sink.
OpenFeed = Callable[[Sink], Feed]


class LiveStats(NamedTuple):
    received: int
    dropped: int
    queued: int
    connections: int


class Subscription:
    """Live readings, one after the other: ``for reading in subscription``. A thread of its own hears them.

    Use it in a ``with``: only closing ends it. ``on_gap`` is called in that thread.
    """

    def __init__(self, open_feed: OpenFeed, max_queued: int) -> None:
        self._changed = threading.Condition()
        self._queue = ReadingQueue(max_queued)
        self._connections = 0
        self._is_closed = False
        self._failure: Optional[BaseException] = None
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._task: Optional["asyncio.Task[None]"] = None
        self._feed = open_feed(self)
        self._thread = threading.Thread(target=self._run, name="brume-live", daemon=True)
        self._thread.start()

    def wait_open(self, timeout: float = 10.0) -> None:
        """Returns when the stream is open for the first time; raises why it cannot be, or that the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._connections > 0 or self._is_over, timeout)
            if self._connections > 0:
                return
            if self._failure is not None:
                raise self._failure
        raise _not_open(timeout)

    def take(self, timeout: Optional[float] = None) -> Optional[Reading]:
        """The next reading; None when none comes in time, or after the end. Raises why the stream ended."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._queue) > 0 or self._is_over, timeout)
            if len(self._queue) > 0:
                return self._queue.shift()
            if self._failure is not None:
                raise self._failure
            return None

    def stats(self) -> LiveStats:
        with self._changed:
            queue = self._queue
            return LiveStats(queue.received, queue.dropped, len(queue), self._connections)

    def close(self) -> None:
        """Ends the stream; whoever waits for a reading gets the end. Idempotent."""
        with self._changed:
            self._is_closed = self._feed.is_stopped = True
            loop, task = self._loop, self._task
            self._changed.notify_all()
        if loop is not None and task is not None:
            try:
                loop.call_soon_threadsafe(task.cancel)
            except RuntimeError:
                # The loop is over already.
                pass
        if threading.current_thread() is not self._thread:
            self._thread.join(5.0)

    def __iter__(self) -> "Subscription":
        return self

    def __next__(self) -> Reading:
        reading = self.take()
        if reading is None:
            raise StopIteration
        return reading

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def _is_over(self) -> bool:
        return self._is_closed or self._failure is not None

    def _run(self) -> None:
        async def hear() -> None:
            with self._changed:
                self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
                if self._is_closed:
                    return
            await self._feed.run()

        try:
            asyncio.run(hear())
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            with self._changed:
                self._failure = None if self._is_closed else error
                self._changed.notify_all()

    def opened(self) -> None:
        with self._changed:
            self._connections += 1
            self._changed.notify_all()

    def accept(self, readings: List[Reading]) -> int:
        with self._changed:
            dropped = self._queue.push(readings)
            self._changed.notify_all()
            return dropped


class AsyncSubscription:
    """Live readings, one after the other: ``async for reading in subscription``, in the loop that runs.

    Use it in an ``async with``: only closing ends it.
    """

    def __init__(self, open_feed: OpenFeed, max_queued: int) -> None:
        self._queue = ReadingQueue(max_queued)
        self._connections = 0
        self._is_closed = False
        self._changed = asyncio.Event()
        self._feed = open_feed(self)
        self._task: "asyncio.Task[None]" = asyncio.get_running_loop().create_task(self._feed.run())
        self._task.add_done_callback(lambda _task: self._changed.set())

    async def wait_open(self, timeout: float = 10.0) -> None:
        """Returns when the stream is open for the first time; raises why it cannot be, or that the time is over."""
        try:
            await asyncio.wait_for(self._wait(lambda: self._connections > 0), timeout)
        except asyncio.TimeoutError:
            raise _not_open(timeout) from None
        if self._connections == 0:
            self._raise_failure()
            raise _not_open(timeout)

    async def take(self) -> Optional[Reading]:
        """The next reading; None after the end. Raises why the stream ended."""
        await self._wait(lambda: len(self._queue) > 0)
        if len(self._queue) > 0:
            return self._queue.shift()
        self._raise_failure()
        return None

    def stats(self) -> LiveStats:
        queue = self._queue
        return LiveStats(queue.received, queue.dropped, len(queue), self._connections)

    async def close(self) -> None:
        """Ends the stream; whoever waits for a reading gets the end. Idempotent."""
        self._is_closed = self._feed.is_stopped = True
        self._task.cancel()
        self._changed.set()
        await asyncio.wait([self._task], timeout=5.0)

    def __aiter__(self) -> "AsyncSubscription":
        return self

    async def __anext__(self) -> Reading:
        reading = await self.take()
        if reading is None:
            raise StopAsyncIteration
        return reading

    async def __aenter__(self) -> "AsyncSubscription":
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def _wait(self, holds: Callable[[], bool]) -> None:
        """Until it holds or the stream is over."""
        while not holds() and not self._is_closed and not self._task.done():
            self._changed.clear()
            await self._changed.wait()

    def _raise_failure(self) -> None:
        if self._is_closed or not self._task.done() or self._task.cancelled():
            return
        failure = self._task.exception()
        if failure is not None:
            raise failure

    def opened(self) -> None:
        self._connections += 1
        self._changed.set()

    def accept(self, readings: List[Reading]) -> int:
        dropped = self._queue.push(readings)
        self._changed.set()
        return dropped


def _not_open(timeout: float) -> BrumeError:
    hint = "Is the node running? The subscription goes on trying."
    return BrumeError("node_unreachable", f"The stream is not open after {timeout:g} s", hint=hint)
