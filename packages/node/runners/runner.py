"""Runs one function in Python: this is the whole program of a child process.

Frames come and go over file descriptor 3 (4 bytes of length, JSON); stdout and stderr are logs. Calls are worked through
one by one, as they came. It trusts the daemon and is not trusted by it.

Nothing is imported that a plain call does not need: the interpreter's own start is most of the time of a cold call.
"""

import os
import sys
from collections import deque
from json import JSONDecoder, JSONEncoder
from time import monotonic, time

CHANNEL = 3
CHUNK = 1 << 16
# Results that are ready leave at least this often, in seconds, however many calls wait behind them.
FLUSH_SECONDS = 0.0005
COROUTINE = 0x80
# Of one question, as JSON: the node takes no larger frames.
MOST_ASK_BYTES = 2 * 1_048_576
MEMORY = b'\0\0\0\x0a["memory"]'

# Code may change what everybody shares; the runner keeps its own.
_read, _write, _exit = os.read, os.write, os._exit


class FogError(Exception):
    """What the node answered to a question: its code, and what to do."""

    def __init__(self, code, message, hint=None):
        super().__init__(message)
        self.code = code
        self.hint = hint


def _plain(value):
    for method in ("isoformat", "tolist", "__json__"):
        convert = getattr(value, method, None)
        if convert is not None:
            return convert()
    if isinstance(value, (set, frozenset)):
        return list(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


_encode = JSONEncoder(separators=(",", ":"), allow_nan=False, default=_plain).encode
_scan = JSONDecoder().scan_once


class Channel:
    """Frames over the socket, those that wait for their turn, and the answers to questions."""

    def __init__(self):
        self.buffer = bytearray()
        self.outgoing = []
        self.waiting = deque()
        self.cancelled = set()
        self.asks = 0

    def send(self, text):
        data = text.encode()
        self.outgoing.append(len(data).to_bytes(4, "big"))
        self.outgoing.append(data)

    def flush(self):
        if not self.outgoing:
            return
        data = b"".join(self.outgoing)
        self.outgoing.clear()
        written = _write(CHANNEL, data)
        while written < len(data):
            written += _write(CHANNEL, data[written : written + CHUNK])

    def receive(self):
        """Waits for bytes, and sorts the messages that are whole now."""
        data = _read(CHANNEL, CHUNK)
        if not data:
            # Without its node a function has no purpose.
            _exit(0)
        buffer = self.buffer
        if buffer:
            buffer += data
            data = bytes(buffer) if len(buffer) >= 4 + int.from_bytes(buffer[:4], "big") else b""
            if not data:
                return
            buffer.clear()
        at, size = 0, len(data)
        while size - at >= 4:
            end = at + 4 + int.from_bytes(data[at : at + 4], "big")
            if end > size:
                break
            self.sort(_scan(data[at + 4 : end].decode(), 0)[0])
            at = end
        if at < size:
            buffer += data[at:]

    def sort(self, message):
        kind = message[0]
        if kind == "cancel":
            self.cancelled.add(message[1])
            if running.task is not None and running.call == message[1]:
                running.task.cancel()
        elif kind == "ping":
            self.send('["pong"]')
            self.flush()
        else:
            self.waiting.append(message)

    def ask(self, call, operation, args):
        """The frame of a question, and its id."""
        self.asks += 1
        text = _encode(["ask", self.asks, call, operation, args])
        # It is ASCII: characters are bytes.
        if len(text) > MOST_ASK_BYTES:
            raise FogError(
                "function_refused",
                f"ctx.{operation} was given {len(text)} bytes as JSON; at most {MOST_ASK_BYTES} are taken",
                "Give it in parts, or keep it elsewhere and give its place.",
            )
        self.send(text)
        self.flush()
        return self.asks

    def answer(self, ask):
        """Waits for the answer to one question; whatever else comes keeps its place."""
        while True:
            for place, message in enumerate(self.waiting):
                if message[0] in ("answer", "refuse") and message[1] == ask:
                    del self.waiting[place]
                    return _value(message)
            self.receive()


class Running:
    """What the process works on just now."""

    call = None
    task = None


def _value(message):
    if message[0] == "answer":
        return message[2]
    refusal = message[2]
    raise FogError(refusal["code"], refusal["message"], refusal.get("hint"))


channel = Channel()
running = Running()


class Log:
    def __init__(self, call):
        self._call = call

    def __call__(self, message, fields=None, level="info"):
        text = message if isinstance(message, str) else repr(message)
        try:
            frame = _encode(["log", self._call, level, text[:16384], fields])
        except (TypeError, ValueError, RecursionError):
            frame = _encode(["log", self._call, level, text[:16384], repr(fields)[:4096]])
        channel.send(frame)
        channel.flush()

    def debug(self, message, fields=None):
        self(message, fields, "debug")

    info = __call__

    def warn(self, message, fields=None):
        self(message, fields, "warn")

    warning = warn

    def error(self, message, fields=None):
        self(message, fields, "error")


class State:
    """Keys and values of this function, durable."""

    def __init__(self, ask):
        self._ask = ask

    def get(self, key):
        return self._ask("state.get", [key])

    def set(self, key, value):
        return self._ask("state.set", [key, value])

    def delete(self, key):
        return self._ask("state.delete", [key])

    def compare_and_set(self, key, expected, value):
        return self._ask("state.compareAndSet", [key, expected, value])


class Secrets:
    def __init__(self, ask):
        self._ask = ask

    def get(self, name):
        return self._ask("secrets.get", [name])


class Context:
    """What a call may ask of the node. In a coroutine, everything that asks is awaited."""

    def __init__(self, call, trigger, key, deadline):
        self._call = call
        self.trigger = trigger
        self.key = key
        # Seconds since 1970, as time.time() counts.
        self.deadline = deadline / 1000

    name = ""
    version = 0

    def _ask(self, operation, args):
        return channel.answer(channel.ask(self._call, operation, args))

    def publish(self, topic, payload, *, qos=0, retain=False):
        if isinstance(payload, (bytes, bytearray, memoryview)):
            from base64 import b64encode

            text, form = b64encode(payload).decode(), "base64"
        else:
            text, form = payload if isinstance(payload, str) else _encode(payload), "utf8"
        return self._ask("publish", [topic, text, form, {"qos": qos, "retain": retain}])

    def query(self, sql, *parameters):
        if len(parameters) == 1 and isinstance(parameters[0], (list, tuple)):
            parameters = parameters[0]
        return self._ask("query", [sql, list(parameters)])

    def command(self, device, name, input=None, *, deadline_ms=None, key=None):
        options = {"deadlineMs": deadline_ms, "key": key}
        return self._ask("command", [device, name, input, {k: v for k, v in options.items() if v is not None}])

    def invoke(self, name, event=None, *, deadline_ms=None):
        return self._ask("invoke", [name, event, {} if deadline_ms is None else {"deadlineMs": deadline_ms}])

    @property
    def state(self):
        return State(self._ask)

    @property
    def secrets(self):
        return Secrets(self._ask)

    @property
    def log(self):
        return Log(self._call)


class AsyncContext(Context):
    def _ask(self, operation, args):
        return answers.future(channel.ask(self._call, operation, args))


class Answers:
    """Runs coroutines, and gives them the answers to what they ask."""

    def __init__(self):
        self.loop = None
        self.futures = {}

    def future(self, ask):
        future = self.loop.create_future()
        self.futures[ask] = future
        return future

    def run(self, coroutine):
        if self.loop is None:
            import asyncio

            self.loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self.loop)
        running.task = self.loop.create_task(coroutine)
        self.loop.add_reader(CHANNEL, self.receive)
        try:
            return self.loop.run_until_complete(running.task)
        finally:
            running.task = None
            self.loop.remove_reader(CHANNEL)

    def receive(self):
        channel.receive()
        for _ in range(len(channel.waiting)):
            message = channel.waiting.popleft()
            future = self.futures.pop(message[1], None) if message[0] in ("answer", "refuse") else None
            if future is None:
                channel.waiting.append(message)
            elif not future.done():
                try:
                    future.set_result(_value(message))
                except FogError as error:
                    future.set_exception(error)


answers = Answers()


class Request:
    """An HTTP request. Names of headers are in lower case."""

    def __init__(self, event):
        from base64 import b64decode
        from urllib.parse import parse_qsl

        self.method = event["method"]
        self.path = event["path"]
        self.query_string = event["query"]
        self.query = dict(parse_qsl(event["query"], keep_blank_values=True))
        self.headers = dict(event["headers"])
        self.body = b64decode(event["body"])
        self.url = event.get("origin", "http://localhost") + self.path + ("?" + self.query_string if self.query_string else "")

    def text(self):
        return self.body.decode()

    def json(self):
        from json import loads

        return loads(self.body)


class Response:
    """An HTTP response. A body that is neither text nor bytes is sent as JSON."""

    def __init__(self, body=b"", status=200, headers=None):
        self.body = body
        self.status = status
        self.headers = headers or {}


def _response(value):
    from base64 import b64encode

    if isinstance(value, tuple):
        value = Response(*value)
    elif not all(hasattr(value, part) for part in ("status", "headers", "body")):
        value = Response(value)
    body, headers = value.body, value.headers
    pairs = [(str(name).lower(), str(text)) for name, text in (headers.items() if hasattr(headers, "items") else headers)]
    kind = None
    if isinstance(body, str):
        body, kind = body.encode(), "text/plain; charset=utf-8"
    elif not isinstance(body, (bytes, bytearray)):
        body, kind = _encode(body).encode(), "application/json"
    if kind is not None and all(name != "content-type" for name, _ in pairs):
        pairs.append(("content-type", kind))
    return {"status": int(value.status), "headers": pairs, "body": b64encode(body).decode()}


class Code:
    """Finds the function's own modules in memory; tracebacks show their lines."""

    def __init__(self, files):
        self.files = files

    def find_spec(self, name, path=None, target=None):
        from importlib.machinery import ModuleSpec

        base = name.replace(".", "/")
        for file, is_package in ((base + ".py", False), (base + "/__init__.py", True)):
            if file in self.files:
                spec = ModuleSpec(name, self, origin="/function/" + file, is_package=is_package)
                spec.has_location = True
                return spec
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        origin = module.__spec__.origin
        exec(compile(self.files[origin[len("/function/") :]], origin, "exec"), module.__dict__)

    def get_source(self, name):
        spec = self.find_spec(name)
        return None if spec is None else self.files[spec.origin[len("/function/") :]]


class Function:
    def __init__(self, facts):
        files, entry = facts["files"], facts["entry"]
        if entry not in files:
            raise FileNotFoundError(f"There is no file {entry}")
        Context.name, Context.version = facts["name"], facts["version"]
        self.output_bytes, self.time_ms = facts["limits"]["outputBytes"], facts["limits"]["timeMs"]
        sys.path = [path for path in sys.path if path != os.path.dirname(__file__)]
        sys.meta_path.insert(0, Code(files))
        _offer_types()
        module = __import__("importlib").import_module(entry[: -len(".py")].replace("/", "."))
        self.handler = getattr(module, "handler", None)
        self.fetch = getattr(module, "fetch", None)
        if not callable(self.handler) and not callable(self.fetch):
            raise TypeError(f"{entry} defines neither handler(event, ctx) nor fetch(request, ctx)")
        self.contexts = {kind: AsyncContext if _is_async(getattr(self, kind)) else Context for kind in ("handler", "fetch")}

    def run(self, message):
        _, call, kind, event, trigger, key, deadline = message
        now = time() * 1000
        if call in channel.cancelled or 0 < deadline < now:
            channel.cancelled.discard(call)
            raise TimeoutError("Nobody waits for this call any more; it was not begun")
        deadline = min(deadline or now + self.time_ms, now + self.time_ms)
        name = "fetch" if kind == "fetch" else "handler"
        work = getattr(self, name)
        if work is None:
            raise TypeError(f"The function does not define {name}")
        running.call = call
        result = work(Request(event) if kind == "fetch" else event, self.contexts[name](call, trigger, key, deadline))
        if hasattr(result, "__await__"):
            result = answers.run(result)
        text = _encode(_response(result) if kind == "fetch" else result)
        if len(text) > self.output_bytes:
            raise ValueError(f"The result has {len(text)} bytes as JSON; the limit is {self.output_bytes}")
        return text


def _is_async(work):
    code = getattr(work, "__code__", None) or getattr(getattr(work, "__call__", None), "__code__", None)
    return code is not None and bool(code.co_flags & COROUTINE)


def _offer_types():
    """`from brume.functions import Response` works where the package is not installed, which is the usual case."""
    from types import ModuleType

    if "brume" in sys.modules:
        return
    module = ModuleType("brume.functions")
    module.__dict__.update(
        Context=Context, AsyncContext=AsyncContext, Request=Request, Response=Response, FogError=FogError
    )
    package = ModuleType("brume")
    package.__path__ = []
    package.functions = module
    package.FogError = FogError
    sys.modules["brume"] = package
    sys.modules["brume.functions"] = module


def _described(error):
    from traceback import format_exception

    lines = format_exception(type(error), error, error.__traceback__)
    own = [line for line in lines if __file__ not in line and "<frozen importlib" not in line]
    hint, code = getattr(error, "hint", None), getattr(error, "code", None)
    return {
        "name": type(error).__name__,
        "message": str(error)[:4096],
        "stack": "".join(own).replace("/function/", "")[-16384:],
        "code": code if isinstance(code, str) else None,
        "hint": hint if isinstance(hint, str) else None,
    }


def _end_for_memory():
    _write(CHANNEL, MEMORY)
    _exit(70)


def _tell(kind, error, *ids):
    try:
        channel.send(_encode([kind, *ids, _described(error)]))
    except MemoryError:
        _end_for_memory()
    except Exception:
        channel.send(_encode([kind, *ids, {"name": type(error).__name__, "message": "The error cannot be shown"}]))


def _load(facts):
    try:
        function = Function(facts)
    except MemoryError:
        _end_for_memory()
    except Exception as error:
        _tell("unloadable", error)
        return None
    channel.send('["loaded"]')
    return function


def _main():
    os.set_inheritable(CHANNEL, False)
    os.set_blocking(CHANNEL, True)
    sys.stdout.reconfigure(line_buffering=True)
    function = None
    flushed = monotonic()
    while True:
        while not channel.waiting:
            channel.flush()
            channel.receive()
            flushed = monotonic()
        message = channel.waiting.popleft()
        if message[0] == "load":
            function = _load(message[1])
        elif message[0] == "call":
            call = message[1]
            try:
                channel.send(f'["result",{call},{function.run(message)}]')
            except MemoryError:
                _end_for_memory()
            except Exception as error:
                _tell("error", error, call)
            except BaseException as error:
                if type(error).__name__ != "CancelledError":
                    raise
                _tell("error", TimeoutError("The call is over its time"), call)
            running.call = None
            if monotonic() - flushed > FLUSH_SECONDS:
                channel.flush()
                flushed = monotonic()


_main()
