"""A context without a node: remembers what a function asked for, and answers as its test says."""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Union

from .errors import BrumeError

Rows = List[Dict[str, Any]]


class Published(NamedTuple):
    topic: str
    #: Text or bytes; anything else was made JSON.
    payload: Union[str, bytes]
    qos: int
    retain: bool


class SentCommand(NamedTuple):
    device: str
    name: str
    input: Any
    key: Optional[str]


class Invoked(NamedTuple):
    name: str
    event: Any


class Logged(NamedTuple):
    level: str
    message: str
    fields: Optional[Mapping[str, Any]]


class LocalContext:
    """Give it what the node would know; afterwards look at ``published``, ``commands``, ``invoked``, ``logged``.

    ``query`` answers statements: rows, or a function of SQL and parameters. ``command`` gives the output of a device,
    of ``(device, name, input)``; a FogError that it raises is a command that failed. ``invoke`` stands for other
    functions.
    """

    def __init__(
        self,
        *,
        query: Union[Rows, Callable[[str, Sequence[Any]], Rows], None] = None,
        command: Optional[Callable[[str, str, Any], Any]] = None,
        invoke: Optional[Callable[[str, Any], Any]] = None,
        state: Optional[Mapping[str, Any]] = None,
        secrets: Optional[Mapping[str, str]] = None,
        trigger: str = "direct",
        key: Optional[str] = None,
        name: str = "local",
        version: int = 1,
        seconds: float = 30.0,
    ) -> None:
        self.trigger = trigger
        self.key = key
        self.name = name
        self.version = version
        self.deadline = time.time() + seconds
        self.state = LocalState(state or {})
        self.secrets = LocalSecrets(secrets or {})
        self.log = LocalLog()
        self.published: List[Published] = []
        self.commands: List[SentCommand] = []
        self.invoked: List[Invoked] = []
        self._query = query
        self._command = command
        self._invoke = invoke

    @property
    def logged(self) -> List[Logged]:
        return self.log.lines

    def publish(self, topic: str, payload: Any, *, qos: int = 0, retain: bool = False) -> None:
        if topic == "" or topic.startswith("$") or any(character in topic for character in "+#\0"):
            raise BrumeError("function_refused", f"Nothing can be published to the topic {topic!r}")
        if qos not in (0, 1, 2):
            raise BrumeError("function_refused", "The QoS of a message is 0, 1 or 2")
        sent = bytes(payload) if isinstance(payload, (bytes, bytearray, memoryview)) else payload
        self.published.append(Published(topic, sent if isinstance(sent, (str, bytes)) else _text(sent), qos, retain))

    def query(self, sql: str, *parameters: Any) -> Rows:
        given = parameters[0] if len(parameters) == 1 and isinstance(parameters[0], (list, tuple)) else parameters
        if self._query is None:
            raise BrumeError("usage", "This LocalContext answers no statements", hint="Give it query=….")
        return self._query(sql, list(given)) if callable(self._query) else _plain(self._query)

    def command(
        self,
        device: str,
        name: str,
        input: Any = None,
        *,
        deadline_ms: Optional[float] = None,
        key: Optional[str] = None,
    ) -> Dict[str, Any]:
        self.commands.append(SentCommand(device, name, _plain(input), key))
        outcome: Dict[str, Any] = {"id": f"{len(self.commands):032x}", "state": "done", "output": None}
        try:
            outcome["output"] = None if self._command is None else _plain(self._command(device, name, input))
        except BrumeError as error:
            outcome.update(state="failed", error={"code": error.code, "message": error.message})
        return outcome

    def invoke(self, name: str, event: Any = None, *, deadline_ms: Optional[float] = None) -> Any:
        self.invoked.append(Invoked(name, _plain(event)))
        if self._invoke is None:
            raise BrumeError("function_not_found", f"There is no function {name!r}", hint="Give it invoke=….")
        return _plain(self._invoke(name, event))


class LocalState:
    """Values are kept as JSON, as the node keeps them: what is read is a copy."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._texts = {key: _text(value) for key, value in values.items()}

    def get(self, key: str) -> Any:
        text = self._texts.get(key)
        return None if text is None else json.loads(text)

    def set(self, key: str, value: Any) -> None:
        if value is None:
            self.delete(key)
        else:
            self._texts[key] = _text(value)

    def delete(self, key: str) -> None:
        self._texts.pop(key, None)

    def compare_and_set(self, key: str, expected: Any, value: Any) -> bool:
        if self.get(key) != _plain(expected):
            return False
        self.set(key, value)
        return True


class LocalSecrets:
    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = dict(secrets)

    def get(self, name: str) -> str:
        if name in self._secrets:
            return self._secrets[name]
        hint = "Give the LocalContext secrets={…}, and name it in spec.secrets of brume.yaml."
        raise BrumeError("function_refused", f"The function does not say that it reads the secret {name!r}", hint=hint)


class LocalLog:
    def __init__(self) -> None:
        self.lines: List[Logged] = []

    def __call__(self, message: Any, fields: Optional[Mapping[str, Any]] = None, level: str = "info") -> None:
        self.lines.append(Logged(level, message if isinstance(message, str) else repr(message), fields))

    def debug(self, message: Any, fields: Optional[Mapping[str, Any]] = None) -> None:
        self(message, fields, "debug")

    def info(self, message: Any, fields: Optional[Mapping[str, Any]] = None) -> None:
        self(message, fields)

    def warn(self, message: Any, fields: Optional[Mapping[str, Any]] = None) -> None:
        self(message, fields, "warn")

    warning = warn

    def error(self, message: Any, fields: Optional[Mapping[str, Any]] = None) -> None:
        self(message, fields, "error")


class AsyncLocalContext:
    """A LocalContext for coroutines: what asks the node is awaited. ``local`` is the one that remembers."""

    def __init__(self, local: Optional[LocalContext] = None, **options: Any) -> None:
        self.local = LocalContext(**options) if local is None else local
        self.state = _Awaited(self.local.state)
        self.secrets = _Awaited(self.local.secrets)
        self.trigger, self.key, self.name = self.local.trigger, self.local.key, self.local.name
        self.version, self.deadline, self.log = self.local.version, self.local.deadline, self.local.log

    async def publish(self, topic: str, payload: Any, *, qos: int = 0, retain: bool = False) -> None:
        self.local.publish(topic, payload, qos=qos, retain=retain)

    async def query(self, sql: str, *parameters: Any) -> Rows:
        return self.local.query(sql, *parameters)

    async def command(
        self,
        device: str,
        name: str,
        input: Any = None,
        *,
        deadline_ms: Optional[float] = None,
        key: Optional[str] = None,
    ) -> Dict[str, Any]:
        return self.local.command(device, name, input, deadline_ms=deadline_ms, key=key)

    async def invoke(self, name: str, event: Any = None, *, deadline_ms: Optional[float] = None) -> Any:
        return self.local.invoke(name, event, deadline_ms=deadline_ms)


class _Awaited:
    """The methods of an object, as coroutines."""

    def __init__(self, of: Any) -> None:
        self._of = of

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._of, name)

        async def awaited(*args: Any, **more: Any) -> Any:
            return method(*args, **more)

        return awaited


def call(handler: Callable[..., Any], event: Any = None, ctx: Optional[LocalContext] = None) -> Any:
    """Calls a handler as the node does: event and result pass through JSON, and a coroutine gets what it awaits."""
    local = LocalContext() if ctx is None else ctx
    if not inspect.iscoroutinefunction(handler):
        return _plain(handler(_plain(event), local))
    return _plain(asyncio.run(handler(_plain(event), AsyncLocalContext(local))))


def _text(value: Any) -> str:
    """JSON as the node's runner makes it, which knows times, arrays of numpy and sets too."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"), default=_convert)


def _convert(value: Any) -> Any:
    for method in ("isoformat", "tolist", "__json__"):
        convert = getattr(value, method, None)
        if convert is not None:
            return convert()
    if isinstance(value, (set, frozenset)):
        return list(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def _plain(value: Any) -> Any:
    return json.loads(_text(value))
