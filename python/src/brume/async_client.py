"""The client for programs with asyncio. Requests run in a few threads; the live subscription is asyncio itself."""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, AsyncIterator, Callable, Iterable, List, Mapping, Optional, Sequence, TypeVar, Union, cast

from .client import Client
from .errors import BrumeError
from .live import Filter, Gap, live_options
from .query import Parameter, Row, Rows
from .readings import ReadingInput
from .shapes import Alarm, AppliedDocument, Command, Device, Json, Reading, StoredDocument, Twin, Written
from .subscription import AsyncSubscription
from .writer import Writer, WriterStats

T = TypeVar("T")


class AsyncClient:
    """As :class:`brume.Client`, with ``await``. What is iterated there is a list here, save live readings and streams.

    A task that is cancelled no longer waits; its request ends by itself, within its time limit.

    >>> async with AsyncClient() as client:
    ...     async with client.subscribe(device="hall-b/#") as live:
    ...         async for reading in live:
    ...             print(reading["value"])
    """

    def __init__(
        self, url: Optional[str] = None, token: Optional[str] = None, *, max_requests: int = 8, **more: Any
    ) -> None:
        """``max_requests`` at once; the others wait. The further options are those of :class:`brume.Client`."""
        self._client = Client(url, token, **more)
        self._threads = ThreadPoolExecutor(max_requests, thread_name_prefix="brume")

    @property
    def url(self) -> str:
        return self._client.url

    async def status(self) -> Mapping[str, Any]:
        return await self._run(self._client.status)

    async def write(
        self,
        readings: Union[ReadingInput, Iterable[ReadingInput], str, bytes],
        *,
        key: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> Written:
        return await self._run(self._client.write, readings, key=key, timeout=timeout)

    async def write_lines(self, lines: Union[str, bytes], **more: Any) -> int:
        return await self._run(self._client.write_lines, lines, **more)

    def writer(self, **options: Any) -> "AsyncWriter":
        return AsyncWriter(self._client.writer(**options))

    async def query(self, sql: str, parameters: Sequence[Parameter] = (), **more: Any) -> Rows:
        return await self._run(self._client.query, sql, parameters, **more)

    async def query_stream(self, sql: str, parameters: Sequence[Parameter] = (), **more: Any) -> AsyncIterator[Row]:
        """Rows while they arrive. Leaving the loop stops the statement."""
        stream = await self._run(self._client.query_stream, sql, parameters, **more)
        portions = stream.portions()
        try:
            while True:
                rows = await self._run(next, portions, None)
                if rows is None:
                    return
                for row in rows:
                    yield row
        finally:
            await self._run(stream.close)

    async def devices(self, device: Filter = None) -> List[Device]:
        return await self._run(lambda: list(self._client.devices(device, page_size=1_000)))

    async def device(self, device: str) -> Device:
        return await self._run(self._client.device, device)

    async def latest(self, device: Filter = None, property: Filter = None) -> List[Reading]:
        return await self._run(self._client.latest, device, property)

    def subscribe(
        self,
        device: Filter = None,
        property: Filter = None,
        *,
        on_gap: Optional[Callable[[Gap], None]] = None,
        **more: Any,
    ) -> AsyncSubscription:
        """As :meth:`brume.Client.subscribe`; to be called in a running loop."""
        options = live_options(device, property, on_gap=on_gap, **more)
        return AsyncSubscription(self._client._open_feed(options), options.max_queued)

    async def command(self, device: str, name: str, input: Json = None, **more: Any) -> Command:
        return await self._run(self._client.command, device, name, input, **more)

    async def get_command(self, id: str, *, wait: bool = False) -> Command:
        return await self._run(self._client.get_command, id, wait=wait)

    async def commands(self, device: Filter = None, *, state: Optional[str] = None) -> List[Command]:
        return await self._run(lambda: list(self._client.commands(device, state=state)))

    async def twin(self, device: str) -> Twin:
        return await self._run(self._client.twin, device)

    async def set_twin(self, device: str, desired: Mapping[str, Json], **more: Any) -> Twin:
        return await self._run(self._client.set_twin, device, desired, **more)

    async def apply(self, documents: Any, **more: Any) -> List[AppliedDocument]:
        return await self._run(self._client.apply, documents, **more)

    async def documents(self, kind: Optional[str] = None) -> List[StoredDocument]:
        return await self._run(lambda: list(self._client.documents(kind)))

    async def document(self, kind: str, name: str) -> StoredDocument:
        return await self._run(self._client.document, kind, name)

    async def delete_document(self, kind: str, name: str) -> None:
        await self._run(self._client.delete_document, kind, name)

    async def alarms(self, state: Optional[str] = None) -> List[Alarm]:
        return await self._run(self._client.alarms, state)

    async def acknowledge_alarm(self, alarm: str, note: Optional[str] = None) -> Alarm:
        return await self._run(self._client.acknowledge_alarm, alarm, note)

    async def silence_alarm(self, alarm: str, until: Union[datetime, str], note: Optional[str] = None) -> Alarm:
        return await self._run(self._client.silence_alarm, alarm, until, note)

    async def clear_alarm(self, alarm: str, note: Optional[str] = None) -> Alarm:
        return await self._run(self._client.clear_alarm, alarm, note)

    async def invoke(self, name: str, event: Json = None, **more: Any) -> Json:
        return await self._run(self._client.invoke, name, event, **more)

    async def close(self) -> None:
        """Ends the threads; requests that are under way go on to their end."""
        self._client.close()
        self._threads.shutdown(wait=False)

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def _run(self, call: Callable[..., T], *args: Any, **more: Any) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, functools.partial(call, *args, **more))


class AsyncWriter:
    """As :class:`brume.Writer`, with ``await``; only a full buffer makes ``add`` wait."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def add(self, reading: ReadingInput) -> None:
        if not self._writer.try_add(reading):
            await self._run(self._writer.add, reading)

    async def flush(self, timeout: Optional[float] = None) -> None:
        await self._run(self._writer.flush, timeout)

    def stats(self) -> WriterStats:
        return self._writer.stats()

    def unsent(self) -> List[str]:
        return self._writer.unsent()

    async def close(self, timeout: Optional[float] = None) -> None:
        await self._run(self._writer.close, timeout)

    async def __aenter__(self) -> "AsyncWriter":
        return self

    async def __aexit__(self, kind: Optional[type], *_error: object) -> None:
        try:
            await self.close()
        except BrumeError:
            # The error that ends the block is the one to be told.
            if kind is None:
                raise

    async def _run(self, call: Callable[..., T], *args: Any) -> T:
        return cast(T, await asyncio.get_running_loop().run_in_executor(None, functools.partial(call, *args)))
