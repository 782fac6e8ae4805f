"""A WebSocket over asyncio: opens it, and hands out what arrives until the link ends or is dead."""

from __future__ import annotations

import asyncio
import ssl
from typing import List, Optional, Sequence, Tuple

from .connection import Address
from .errors import BrumeError, foreign_answer, max_problem_bytes, problem_error
from .unreachable import unreachable
from .websocket import Closed, Event, Handshake, Head, Protocol, parse_head

#: Longest time until a stream is open, s.
_open_s = 10.0
#: How long the server may take to answer a closing frame, s.
_close_s = 0.5
_subprotocol = "brume.v1"


class SocketStream:
    """An open WebSocket of the node. Made by :func:`open_stream`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: Address, max_bytes: int):
        self._reader = reader
        self._writer = writer
        self._url = address.url
        self._protocol = Protocol(max_bytes)
        self._ready: List[Event] = []

    def begin(self, received: bytes) -> None:
        self._ready = self._protocol.feed(received)

    async def events(self, silence_s: float) -> List[Event]:
        """What came, at least one. Raises ``node_unreachable`` when the link ends or gives no sign of life."""
        await self._send(silence_s)
        while not self._ready:
            try:
                data = await asyncio.wait_for(self._reader.read(65_536), silence_s)
            except asyncio.TimeoutError:
                raise _silent(self._url, silence_s) from None
            except OSError as error:
                raise unreachable(self._url, error) from error
            if data == b"":
                raise unreachable(self._url, ConnectionResetError(104, "the connection broke"))
            self._ready = self._protocol.feed(data)
            await self._send(silence_s)
        first = self._ready[0]
        if isinstance(first, Closed):
            raise _closed_by(self._url, first)
        # What came before the end is handed out before it.
        events: List[Event] = [event for event in self._ready if not isinstance(event, Closed)]
        self._ready = self._ready[len(events) :]
        return events

    async def _send(self, limit_s: float) -> None:
        outgoing = self._protocol.take_outgoing()
        if not outgoing:
            return
        try:
            self._writer.write(outgoing)
            await asyncio.wait_for(self._writer.drain(), limit_s)
        except (OSError, asyncio.TimeoutError) as error:
            raise unreachable(self._url, error) from error

    async def close(self) -> None:
        """Says goodbye where the link still lives, and ends it."""
        try:
            if not self._protocol.is_closed:
                self._protocol.close()
                self._writer.write(self._protocol.take_outgoing())
                await asyncio.wait_for(self._goodbye(), _close_s)
        except (OSError, asyncio.TimeoutError):
            # It is over either way.
            pass
        finally:
            self._writer.transport.abort()

    async def _goodbye(self) -> None:
        while not self._protocol.is_closed:
            data = await self._reader.read(65_536)
            if data == b"":
                return
            self._protocol.feed(data)


async def open_stream(
    address: Address, target: str, token: Optional[str], context: Optional[ssl.SSLContext], max_bytes: int
) -> SocketStream:
    """Raises the node's own problem where it refuses, and ``node_unreachable`` where nobody answers in time."""
    try:
        return await asyncio.wait_for(_open(address, target, token, context, max_bytes), _open_s)
    except asyncio.TimeoutError:
        raise _silent(address.url, _open_s) from None
    except (OSError, EOFError) as error:
        raise unreachable(address.url, error) from error


async def _open(
    address: Address, target: str, token: Optional[str], context: Optional[ssl.SSLContext], max_bytes: int
) -> SocketStream:
    reader, writer = await asyncio.open_connection(
        address.host, address.port, ssl=context, server_hostname=address.host if context is not None else None
    )
    try:
        headers: Sequence[Tuple[str, str]] = [] if token is None else [("Authorization", f"Bearer {token}")]
        handshake = Handshake(address.authority, f"{address.path}{target}", [_subprotocol], headers)
        writer.write(handshake.request)
        await writer.drain()
        head, rest = await _head(reader, address.url)
        why = handshake.problem(head)
        if why is None:
            stream = SocketStream(reader, writer, address, max_bytes)
            stream.begin(rest)
            return stream
        raise (
            await _refusal(reader, head, rest, address.url) if head.status >= 400 else foreign_answer(address.url, why)
        )
    except BaseException:
        writer.transport.abort()
        raise


async def _head(reader: asyncio.StreamReader, url: str) -> Tuple[Head, bytes]:
    received = b""
    while True:
        data = await reader.read(65_536)
        if data == b"":
            raise EOFError("the connection broke")
        received += data
        try:
            parsed = parse_head(received)
        except ValueError as error:
            raise foreign_answer(url, str(error)) from error
        if parsed is not None:
            return parsed


async def _refusal(reader: asyncio.StreamReader, head: Head, rest: bytes, url: str) -> BrumeError:
    """The problem body. A refused handshake ends its connection, so the end is the end of the body."""
    declared = head.get("content-length") or ""
    size = min(int(declared), max_problem_bytes) if declared.isdigit() else max_problem_bytes
    body = rest
    while len(body) < size:
        data = await reader.read(65_536)
        if data == b"":
            break
        body += data
    return problem_error(head.status, head.get("content-type") or "", body, url, None)


def _silent(url: str, limit_s: float) -> BrumeError:
    hint = "The network between here and the node may be cut; the stream goes on when it is back."
    return BrumeError("node_unreachable", f"{url} gave no sign of life for {limit_s:g} s", hint=hint)


def _closed_by(url: str, end: Closed) -> BrumeError:
    why = f"code {end.code}" if end.reason == "" else f"{end.reason} (code {end.code})"
    hint = "Check the token." if end.code == 1008 else "The stream goes on when the node is back."
    return BrumeError("node_unreachable", f"{url} ended the stream: {why}", hint=hint)
