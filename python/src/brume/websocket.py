"""The client's half of WebSocket (RFC 6455), without a network: bytes go in, events and bytes to send come out.

S1: strict: whatever a server may not send ends the connection with 1002, 1007 or 1009; nothing is guessed.
S2: bounded: a message longer than the limit is refused by its header, before its bytes are kept.
S3: everything that is sent is masked with fresh random bytes [RFC 6455 §5.3]; a masked frame of a server is refused.
No extensions are offered.
"""

from __future__ import annotations

import base64
import hashlib
import os
import struct
from typing import List, NamedTuple, Optional, Sequence, Tuple, Union

_magic = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_continuation, _text, _binary, _close, _ping, _pong = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
#: Longest answer to a handshake, bytes.
max_head_bytes = 65_536


class Text(NamedTuple):
    text: str


class Binary(NamedTuple):
    data: bytes


class Ping(NamedTuple):
    """Its answer is among the bytes to send already."""

    data: bytes


class Pong(NamedTuple):
    data: bytes


class Closed(NamedTuple):
    """The server closed, or broke the rules: nothing comes after it."""

    code: int
    reason: str


Event = Union[Text, Binary, Ping, Pong, Closed]


class _Violation(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Handshake:
    """The request that opens a WebSocket, and what its answer must be."""

    def __init__(
        self, authority: str, target: str, protocols: Sequence[str], headers: Sequence[Tuple[str, str]] = ()
    ) -> None:
        self._key = base64.b64encode(os.urandom(16))
        self._protocols = protocols
        lines = [
            f"GET {target} HTTP/1.1",
            f"Host: {authority}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {self._key.decode()}",
            "Sec-WebSocket-Version: 13",
        ]
        if protocols:
            lines.append(f"Sec-WebSocket-Protocol: {', '.join(protocols)}")
        lines += [f"{name}: {value}" for name, value in headers]
        self.request = "\r\n".join([*lines, "", ""]).encode("ascii")

    def problem(self, head: "Head") -> Optional[str]:
        """Why the answer does not open a WebSocket, or None when it does [RFC 6455 §4.1]."""
        accept = base64.b64encode(hashlib.sha1(self._key + _magic).digest()).decode()
        if head.status != 101:
            return f"it answered {head.status}"
        if (head.get("upgrade") or "").lower() != "websocket":
            return "its Upgrade header is wrong"
        if "upgrade" not in [token.strip().lower() for token in (head.get("connection") or "").split(",")]:
            return "its Connection header is wrong"
        if head.get("sec-websocket-accept") != accept:
            return "its Sec-WebSocket-Accept is wrong"
        if head.get("sec-websocket-extensions") is not None:
            return "it uses an extension that was not offered"
        protocol = head.get("sec-websocket-protocol")
        if (protocol is not None) != bool(self._protocols) or (
            protocol is not None and protocol not in self._protocols
        ):
            return f"it speaks {protocol or 'no subprotocol'}"
        return None


class Head(NamedTuple):
    """Status line and headers of an answer."""

    status: int
    headers: Tuple[Tuple[str, str], ...]

    def get(self, name: str) -> Optional[str]:
        found = [value for header, value in self.headers if header == name]
        return ", ".join(found) if found else None


def parse_head(received: bytes) -> Optional[Tuple[Head, bytes]]:
    """The head of an answer and what came behind it; None while it is incomplete.

    Raises ValueError for what is none.
    """
    end = received.find(b"\r\n\r\n")
    if end == -1:
        if len(received) > max_head_bytes:
            raise ValueError("its headers do not end")
        if len(received) >= 5 and not received.startswith(b"HTTP/"):
            raise ValueError("it does not speak HTTP")
        return None
    first, *rest = received[:end].decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not (len(words[1]) == 3 and words[1].isdigit()):
        raise ValueError("it does not speak HTTP")
    headers = []
    for line in rest:
        name, colon, value = line.partition(":")
        if colon == "" or name == "" or name != name.strip():
            raise ValueError("one of its headers is malformed")
        headers.append((name.lower(), value.strip()))
    return Head(int(words[1]), tuple(headers)), received[end + 4 :]


class Protocol:
    """An open WebSocket. Feed it what arrives; send what ``take_outgoing`` hands out."""

    def __init__(self, max_message_bytes: int) -> None:
        self._max = max_message_bytes
        self._received = bytearray()
        self._outgoing = bytearray()
        self._fragments: List[bytes] = []
        self._fragment_bytes = 0
        #: Opcode of the message that is under way, or None between messages.
        self._message: Optional[int] = None
        self._is_closing = False
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def take_outgoing(self) -> bytes:
        out = bytes(self._outgoing)
        self._outgoing.clear()
        return out

    def ping(self, data: bytes = b"") -> None:
        self._send(_ping, data)

    def send_text(self, text: str) -> None:
        self._send(_text, text.encode())

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Starts the closing handshake; the server's answer is a Closed."""
        if not self._is_closing:
            self._send(_close, struct.pack("!H", code) + reason.encode()[:123])
            self._is_closing = True

    def feed(self, data: bytes) -> List[Event]:
        if self._is_closed:
            return []
        self._received += data
        events: List[Event] = []
        try:
            while not self._is_closed:
                event = self._next()
                if event is None:
                    break
                if not isinstance(event, bool):
                    events.append(event)
        except _Violation as violation:
            # S1
            self.close(violation.code, violation.reason)
            self._is_closed = True
            events.append(Closed(violation.code, violation.reason))
        return events

    def _send(self, opcode: int, payload: bytes) -> None:
        if self._is_closing:
            return
        size = len(payload)
        head = bytearray([0x80 | opcode])
        if size < 126:
            head.append(0x80 | size)
        elif size < 65_536:
            head += struct.pack("!BH", 0x80 | 126, size)
        else:
            head += struct.pack("!BQ", 0x80 | 127, size)
        mask = os.urandom(4)
        self._outgoing += head + mask + _masked(payload, mask)

    def _next(self) -> Union[Event, bool, None]:
        """The next event; True for a frame that is none; None while more bytes are needed."""
        received = self._received
        if len(received) < 2:
            return None
        first, second = received[0], received[1]
        opcode, is_final = first & 0x0F, bool(first & 0x80)
        size, at = second & 0x7F, 2
        self._check_head(first, second, opcode, is_final)
        if size == 126:
            if len(received) < 4:
                return None
            size, at = struct.unpack_from("!H", received, 2)[0], 4
            if size < 126:
                raise _Violation(1002, "a length is not written in its shortest form")
        elif size == 127:
            if len(received) < 10:
                return None
            size, at = struct.unpack_from("!Q", received, 2)[0], 10
            if size < 65_536 or size >= 2**63:
                raise _Violation(1002, "a length is not written in its shortest form")
        # S2
        if opcode < 0x8 and self._fragment_bytes + size > self._max:
            raise _Violation(1009, f"a message is longer than {self._max} bytes")
        if len(received) < at + size:
            return None
        payload = bytes(received[at : at + size])
        del received[: at + size]
        return self._control(opcode, payload) if opcode >= 0x8 else self._data(opcode, is_final, payload)

    def _check_head(self, first: int, second: int, opcode: int, is_final: bool) -> None:
        if first & 0x70:
            raise _Violation(1002, "a reserved bit is set")
        if opcode not in (_continuation, _text, _binary, _close, _ping, _pong):
            raise _Violation(1002, "an opcode is unknown")
        # S3
        if second & 0x80:
            raise _Violation(1002, "a frame of the server is masked")
        if opcode >= 0x8:
            if not is_final:
                raise _Violation(1002, "a control frame is fragmented")
            if second & 0x7F > 125:
                raise _Violation(1002, "a control frame is too long")
        elif (opcode == _continuation) != (self._message is not None):
            raise _Violation(1002, "a fragment is out of place")

    def _data(self, opcode: int, is_final: bool, payload: bytes) -> Union[Event, bool]:
        if opcode != _continuation:
            self._message = opcode
        self._fragments.append(payload)
        # Empty fragments cost a place in the list each.
        self._fragment_bytes += max(len(payload), 1)
        if not is_final:
            return True
        whole, kind = b"".join(self._fragments), self._message
        self._fragments, self._fragment_bytes, self._message = [], 0, None
        if self._is_closing:
            return True
        if kind == _binary:
            return Binary(whole)
        try:
            return Text(whole.decode("utf-8"))
        except UnicodeDecodeError:
            raise _Violation(1007, "a text is not UTF-8") from None

    def _control(self, opcode: int, payload: bytes) -> Event:
        if opcode == _ping:
            self._send(_pong, payload)
            return Ping(payload)
        if opcode == _pong:
            return Pong(payload)
        code, reason = _close_reason(payload)
        self.close(1000 if code == 1005 else code)
        self._is_closed = True
        return Closed(code, reason)


def _close_reason(payload: bytes) -> Tuple[int, str]:
    if payload == b"":
        return 1005, ""
    if len(payload) == 1:
        raise _Violation(1002, "a closing frame has half a code")
    code = int(struct.unpack_from("!H", payload)[0])
    is_known = code in (1000, 1001, 1002, 1003, *range(1007, 1015)) or 3000 <= code <= 4999
    if not is_known:
        raise _Violation(1002, "a closing code may not be sent")
    try:
        return code, payload[2:].decode("utf-8")
    except UnicodeDecodeError:
        raise _Violation(1007, "a closing reason is not UTF-8") from None


def _masked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    if size == 0:
        return b""
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
