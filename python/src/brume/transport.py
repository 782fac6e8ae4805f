"""Requests to one node: authorisation, time limits, retries, errors.

T1: a request that is not idempotent is sent at most once.
T2: a retry is due only where the node says that the same request can succeed (``later``, ``now``), or where no answer
    came; at most ``max_attempts`` in all.
T3: whatever a call raises is a BrumeError.
T4: an answer has a time limit as a whole and a limit of bytes; a stream has a limit for each silence.
"""

from __future__ import annotations

import gzip
import http.client
import json
import random
import socket
import ssl
import threading
import time
from email.utils import parsedate_to_datetime
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, cast
from urllib.parse import urlencode

from .backoff import Backoff
from .connection import Address
from .deadline import DeadlineSocket
from .errors import BrumeError, foreign_answer, max_problem_bytes, problem_error, too_slow
from .unreachable import unreachable
from .version import version

#: Longest wait that a node may ask for with Retry-After before the caller hears of the failure instead, s.
_max_retry_after_s = 5.0
#: Connections that are kept for the next request.
_max_idle = 8
#: The node closes a connection that is idle for 5 s; one that is nearly so old is not used again.
_max_idle_s = 3.0
#: Bodies from this size on are compressed where the node is not on this machine, bytes.
_compress_from = 2_048


class Call(NamedTuple):
    """One request. ``path`` is below the base, without a leading slash, and quoted."""

    method: str
    path: str
    #: Sending it twice does what sending it once does.
    is_idempotent: bool
    search: Sequence[Tuple[str, str]] = ()
    headers: Mapping[str, str] = {}
    body: Optional[bytes] = None
    #: Codes that are not worth the same request again, whatever the node says.
    final: Tuple[str, ...] = ()
    #: Until the answer is complete; for a stream, until it begins. s
    timeout: Optional[float] = None


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    #: None for an empty answer.
    json: Any


class Transport:
    """Safe to be used by several threads at once."""

    def __init__(
        self,
        address: Address,
        token: Optional[str],
        *,
        timeout: float,
        max_attempts: int,
        max_answer_bytes: int,
        ssl_context: Optional[ssl.SSLContext],
    ) -> None:
        self.address = address
        self.token = token
        self.timeout = timeout
        self.max_answer_bytes = max_answer_bytes
        self._max_attempts = max_attempts
        self._backoff = Backoff(0.2, 5.0)
        self._ssl_context = ssl_context
        self._lock = threading.Lock()
        self._idle: List[Tuple[float, _Connection]] = []

    @property
    def ssl_context(self) -> ssl.SSLContext:
        if self._ssl_context is None:
            self._ssl_context = ssl.create_default_context()
        return self._ssl_context

    def json(self, call: Call) -> Any:
        return self.answer(call).json

    def answer(self, call: Call) -> Answer:
        def attempt() -> Answer:
            exchange = self._request(call)
            try:
                body = exchange.body(self.max_answer_bytes, self.url_of(call))
            except Exception as error:
                exchange.end()
                raise self._explain(error, call) from error
            self._release(exchange)
            return Answer(exchange.response.status, exchange.response.headers, _parsed(body, self.url_of(call)))

        return cast(Answer, self._with_retries(call, attempt))

    def download(self, call: Call, idle_s: float) -> Iterator[bytes]:
        """The pieces of an answer while it arrives. Closing the iterator early ends the request."""
        exchange = cast(_Exchange, self._with_retries(call, lambda: self._request(call)))

        def pieces() -> Iterator[bytes]:
            try:
                yield from exchange.pieces(idle_s)
            except (OSError, http.client.HTTPException) as error:
                raise self._explain(error, call, idle_s) from error
            finally:
                exchange.end()

        return pieces()

    def close(self) -> None:
        """Closes the connections that wait for the next request. The transport can still be used."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()

    def url_of(self, call: Call) -> str:
        return f"{self.address.url}{call.path}"

    def _request(self, call: Call) -> "_Exchange":
        """Sends it; returns when the answer begins. Raises the problem of an answer that is no success."""
        timeout = self.timeout if call.timeout is None else call.timeout
        connection = self._connection(call, timeout)
        target = f"{self.address.path}{call.path}"
        if call.search:
            target += f"?{urlencode(call.search)}"
        body, packing = self._packed(call.body)
        try:
            connection.limit(timeout)
            connection.request(call.method, target, body=body, headers={**self._headers(), **call.headers, **packing})
            exchange = _Exchange(connection, connection.getresponse())
        except Exception as error:
            connection.close()
            raise self._explain(error, call) from error
        if 200 <= exchange.response.status < 300:
            return exchange
        try:
            raise self._problem(exchange, call)
        except (OSError, http.client.HTTPException) as error:
            raise self._explain(error, call) from error
        finally:
            exchange.end()

    def _headers(self) -> Dict[str, str]:
        headers = {"accept": "application/json", "user-agent": f"brume-python/{version}"}
        if self.token is not None:
            headers["authorization"] = f"Bearer {self.token}"
        return headers

    def _packed(self, body: Optional[bytes]) -> Tuple[Optional[bytes], Dict[str, str]]:
        """Gzip where it saves traffic: not to this machine, and not for a few lines."""
        if body is None or len(body) < _compress_from or self.address.is_this_machine:
            return body, {}
        return gzip.compress(body, compresslevel=6), {"content-encoding": "gzip"}

    def _problem(self, exchange: "_Exchange", call: Call) -> BrumeError:
        url, response = self.url_of(call), exchange.response
        if 300 <= response.status < 400:
            where = response.headers.get("location") or "another address"
            return foreign_answer(url, f"it redirects to {where}")
        body = exchange.body(max_problem_bytes, url)
        content_type = response.headers.get("content-type") or ""
        return problem_error(response.status, content_type, body, url, _retry_after(response.headers))

    def _connection(self, call: Call, timeout: float) -> "_Connection":
        # T1: a connection that the node is about to close would leave such a request in doubt.
        while call.is_idempotent:
            with self._lock:
                if not self._idle:
                    break
                since, connection = self._idle.pop()
            if time.monotonic() - since < _max_idle_s and not connection.is_stale():
                return connection
            connection.close()
        context = self.ssl_context if self.address.is_tls else None
        return _Connection(self.address, context, timeout)

    def _release(self, exchange: "_Exchange") -> None:
        """Keeps the connection for the next request. One with TLS cannot be asked whether its peer closed it."""
        if exchange.response.will_close or exchange.connection.is_tls:
            exchange.end()
            return
        with self._lock:
            self._idle.append((time.monotonic(), exchange.connection))
            spare = self._idle.pop(0)[1] if len(self._idle) > _max_idle else None
        if spare is not None:
            spare.close()

    def _explain(self, error: Exception, call: Call, limit_s: Optional[float] = None) -> BrumeError:
        if isinstance(error, BrumeError):
            return error
        if isinstance(error, (TimeoutError, socket.timeout)):
            return too_slow(self.url_of(call), limit_s or call.timeout or self.timeout)
        if isinstance(error, (OSError, http.client.HTTPException, EOFError)):
            return unreachable(self.address.url, error)
        raise error

    def _with_retries(self, call: Call, attempt: Callable[[], Any]) -> Any:
        failures = 0
        while True:
            try:
                return attempt()
            except BrumeError as error:
                failures += 1
                # T1, T2
                if not call.is_idempotent or failures >= self._max_attempts or error.code in call.final:
                    raise
                wait_s = retry_wait_s(error, failures, self._backoff)
                if wait_s is None:
                    raise
            time.sleep(wait_s)


class _Connection(http.client.HTTPConnection):
    """HTTP/1.1 to one node, with a deadline for everything that happens on it."""

    def __init__(self, address: Address, context: Optional[ssl.SSLContext], timeout: float) -> None:
        super().__init__(address.host, address.port, timeout=timeout)
        self._context = context
        self._limit_s = timeout
        #: Kept beside ``sock``, which http.client hands over to an answer that ends the connection.
        self._deadline: Optional[DeadlineSocket] = None

    @property
    def is_tls(self) -> bool:
        return self._context is not None

    def connect(self) -> None:
        super().connect()
        sock = self.sock
        if self._context is not None:
            sock = self._context.wrap_socket(sock, server_hostname=self.host)
        self._deadline = DeadlineSocket(sock, self._limit_s)
        self.sock = cast(socket.socket, self._deadline)

    def limit(self, seconds: float) -> None:
        self._limit_s = seconds
        if self._deadline is not None:
            self._deadline.limit(seconds)

    def is_stale(self) -> bool:
        return self._deadline is None or self._deadline.is_stale()


class _Exchange(NamedTuple):
    """A request whose answer has begun."""

    connection: _Connection
    response: http.client.HTTPResponse

    def pieces(self, idle_s: Optional[float] = None) -> Iterator[bytes]:
        """Raises IncompleteRead where the answer breaks off."""
        response = self.response
        # What read1 does not count in all versions of Python.
        left = response.length
        while left is None or left > 0:
            if idle_s is not None:
                self.connection.limit(idle_s)
            piece = response.read1(65_536 if left is None else min(left, 65_536))
            if not piece:
                if left is not None:
                    raise http.client.IncompleteRead(b"", left)
                return
            if left is not None:
                left -= len(piece)
            yield piece
        response.close()

    def body(self, limit: int, url: str) -> bytes:
        """Raises before it holds more than the limit."""
        pieces, size = [], 0
        for piece in self.pieces():
            size += len(piece)
            if size > limit:
                hint = "Ask for less, stream it with query_stream(), or raise max_answer_bytes."
                raise BrumeError("payload_too_large", f"The answer of {url} is larger than {limit} bytes", hint=hint)
            pieces.append(piece)
        return b"".join(pieces)

    def end(self) -> None:
        self.response.close()
        self.connection.close()


def retry_wait_s(error: BrumeError, failures: int, backoff: Backoff) -> Optional[float]:
    """How long to wait before the same request again, or None when it is not worth it."""
    if error.retry == "never":
        return None
    asked = error.details.get("retryAfterS")
    if isinstance(asked, (int, float)):
        return None if asked > _max_retry_after_s else float(asked)
    # "Now" still waits a little, so that a fault of the node does not become a storm.
    return backoff.first_s * random.random() / 2 if error.retry == "now" else backoff.wait_s(failures)


def expect_object(answer: Any, url: str) -> Dict[str, Any]:
    if isinstance(answer, dict):
        return answer
    raise foreign_answer(url, "its answer is not an object")


def _parsed(body: bytes, url: str) -> Any:
    if body == b"":
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise foreign_answer(url, "its answer is not JSON") from error


def _retry_after(headers: http.client.HTTPMessage) -> Optional[float]:
    """Retry-After in s: seconds, or a date."""
    header = headers.get("retry-after")
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
