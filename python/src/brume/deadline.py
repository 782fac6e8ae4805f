"""A socket on which a whole request has one time limit, not each of its bytes one of its own.

Python's socket timeouts begin anew with every read, so that a peer that sends a byte a second holds a caller for ever.
"""

from __future__ import annotations

import io
import socket
import time
from typing import Any


class DeadlineSocket:
    """What ``http.client`` needs of a socket.

    As with sockets, the connection ends when it and its readers are closed.
    """

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self._sock = sock
        self._until = time.monotonic() + seconds
        self._holders = 1
        self._is_closed = False

    def limit(self, seconds: float) -> None:
        """Everything from now on must be over after this time."""
        self._until = time.monotonic() + seconds

    def arm(self) -> socket.socket:
        left = self._until - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        self._sock.settimeout(left)
        return self._sock

    def sendall(self, data: Any) -> None:
        self.arm().sendall(data)

    def makefile(self, _mode: str = "rb", *_rest: Any, **_more: Any) -> io.BufferedReader:
        self._holders += 1
        return io.BufferedReader(_Reader(self), 65_536)

    def is_stale(self) -> bool:
        """True where the peer closed it, or said something that nobody asked for."""
        try:
            self._sock.settimeout(0)
            self._sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return False
        except (OSError, ValueError):
            return True
        return True

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self.release()

    def release(self) -> None:
        self._holders -= 1
        if self._holders == 0:
            self._sock.close()


class _Reader(io.RawIOBase):
    def __init__(self, owner: DeadlineSocket) -> None:
        self._owner = owner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._owner.arm().recv_into(buffer)

    def close(self) -> None:
        if not self.closed:
            self._owner.release()
        super().close()
