"""What authors of Python functions write against, and a context without a node for their tests.

A function is a module with ``handler(event, ctx)``, perhaps also ``fetch(request, ctx)``; either may be a coroutine,
and then everything that asks the node is awaited. In the node this module is there without being installed, with the
names Context, AsyncContext, Request, Response and FogError. What is only here (Handler, Fetch, LocalContext, …) is for
type checkers and tests: import it below ``if TYPE_CHECKING`` or in the test.

>>> def handler(event: dict, ctx: Context) -> dict:
...     count = (ctx.state.get("count") or 0) + 1
...     ctx.state.set("count", count)
...     return {"count": count}
>>> call(handler, {}, LocalContext())
{'count': 1}
"""

from __future__ import annotations

from typing import Any, Awaitable, Dict, List, Mapping, Optional, Protocol, Union
from urllib.parse import parse_qsl

from .errors import BrumeError as FogError
from .local_context import (
    AsyncLocalContext,
    Invoked,
    LocalContext,
    Logged,
    Published,
    SentCommand,
    call,
)

__all__ = [
    "AsyncContext",
    "AsyncLocalContext",
    "AsyncState",
    "Context",
    "Fetch",
    "FogError",
    "Handler",
    "Invoked",
    "LocalContext",
    "Log",
    "Logged",
    "Published",
    "Request",
    "Response",
    "Secrets",
    "SentCommand",
    "State",
    "call",
]

#: What ``json.loads`` makes of JSON.
Json = Any


class Log(Protocol):
    """Lines of the function's log: ``brume logs -f NAME`` shows them. A constant message, and fields for data."""

    def __call__(self, message: Any, fields: Optional[Mapping[str, Json]] = None, level: str = "info") -> None: ...

    def debug(self, message: Any, fields: Optional[Mapping[str, Json]] = None) -> None: ...

    def info(self, message: Any, fields: Optional[Mapping[str, Json]] = None) -> None: ...

    def warn(self, message: Any, fields: Optional[Mapping[str, Json]] = None) -> None: ...

    def warning(self, message: Any, fields: Optional[Mapping[str, Json]] = None) -> None: ...

    def error(self, message: Any, fields: Optional[Mapping[str, Json]] = None) -> None: ...


class State(Protocol):
    """Keys and values of this function, JSON, durable when a change returns. None stands for no value."""

    def get(self, key: str) -> Json: ...

    def set(self, key: str, value: Json) -> None: ...

    def delete(self, key: str) -> None: ...

    def compare_and_set(self, key: str, expected: Json, value: Json) -> bool:
        """Sets it only where the value is the expected one; says whether it did."""
        ...


class Secrets(Protocol):
    def get(self, name: str) -> str:
        """Only those that ``spec.secrets`` of brume.yaml names."""
        ...


class _Call(Protocol):
    """What is known of a call."""

    #: Of the function.
    name: str
    version: int
    #: direct, rule, topic, schedule, http or function.
    trigger: str
    #: The key of the effect that calls, the same for each attempt; None where there is none.
    key: Optional[str]
    #: When nobody waits for the call any more, as ``time.time()`` counts.
    deadline: float

    @property
    def log(self) -> Log: ...


class Context(_Call, Protocol):
    """What a call may ask of the node. Raises FogError where the node refuses."""

    @property
    def state(self) -> State: ...

    @property
    def secrets(self) -> Secrets: ...

    def publish(self, topic: str, payload: Any, *, qos: int = 0, retain: bool = False) -> None:
        """A message of MQTT; a payload that is neither text nor bytes is sent as JSON."""
        ...

    def query(self, sql: str, *parameters: Any) -> List[Dict[str, Json]]:
        """Rows of one SELECT; the parameters are the values for ``$1``, ``$2``, …"""
        ...

    def command(
        self,
        device: str,
        name: str,
        input: Json = None,
        *,
        deadline_ms: Optional[float] = None,
        key: Optional[str] = None,
    ) -> Dict[str, Json]:
        """Its outcome: ``{"id", "state", "output", "error"?}``, where the state is done, failed or in-doubt."""
        ...

    def invoke(self, name: str, event: Json = None, *, deadline_ms: Optional[float] = None) -> Json:
        """What another function returned."""
        ...


class AsyncState(Protocol):
    async def get(self, key: str) -> Json: ...

    async def set(self, key: str, value: Json) -> None: ...

    async def delete(self, key: str) -> None: ...

    async def compare_and_set(self, key: str, expected: Json, value: Json) -> bool: ...


class AsyncSecrets(Protocol):
    async def get(self, name: str) -> str: ...


class AsyncContext(_Call, Protocol):
    """As :class:`Context`, for coroutines."""

    @property
    def state(self) -> AsyncState: ...

    @property
    def secrets(self) -> AsyncSecrets: ...

    async def publish(self, topic: str, payload: Any, *, qos: int = 0, retain: bool = False) -> None: ...

    async def query(self, sql: str, *parameters: Any) -> List[Dict[str, Json]]: ...

    async def command(
        self,
        device: str,
        name: str,
        input: Json = None,
        *,
        deadline_ms: Optional[float] = None,
        key: Optional[str] = None,
    ) -> Dict[str, Json]: ...

    async def invoke(self, name: str, event: Json = None, *, deadline_ms: Optional[float] = None) -> Json: ...


class Request:
    """An HTTP request at ``/fn/<name>/``. Names of headers are in lower case; the path begins there."""

    def __init__(
        self,
        method: str = "GET",
        path: str = "/",
        query_string: str = "",
        headers: Optional[Mapping[str, str]] = None,
        body: bytes = b"",
    ) -> None:
        self.method = method
        self.path = path
        self.query_string = query_string
        self.query: Dict[str, str] = dict(parse_qsl(query_string, keep_blank_values=True))
        self.headers = {name.lower(): value for name, value in (headers or {}).items()}
        self.body = body
        self.url = f"http://localhost{path}{'?' + query_string if query_string else ''}"

    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Json:
        from json import loads

        return loads(self.body)


class Response:
    """An HTTP response. A body that is neither text nor bytes is sent as JSON."""

    def __init__(self, body: Any = b"", status: int = 200, headers: Optional[Mapping[str, str]] = None) -> None:
        self.body = body
        self.status = status
        self.headers: Mapping[str, str] = headers or {}


class Handler(Protocol):
    """``handler(event, ctx)``: what it returns, JSON, is the result."""

    def __call__(self, event: Any, ctx: Context, /) -> Json: ...


class AsyncHandler(Protocol):
    def __call__(self, event: Any, ctx: AsyncContext, /) -> Awaitable[Json]: ...


class Fetch(Protocol):
    """``fetch(request, ctx)``: anything but a Response (or ``(body, status, headers)``) is the body of one."""

    def __call__(self, request: Request, ctx: Context, /) -> Union[Response, Any]: ...
