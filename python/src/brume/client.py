"""The client of one node: what its HTTP API offers, typed. Holds no connection until it is used."""

from __future__ import annotations

import ssl
import time
from itertools import islice
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Union, cast
from urllib.parse import quote

from . import query as sql_query
from .calls import json_call, pages
from .connection import address_of, token_of
from .automation import Automation
from .errors import BrumeError
from .live import Feed, Filter, Gap, LiveOptions, live_options
from .parts import Part, checked_key
from .query import Parameter, Rows, RowStream
from .readings import ReadingInput, encode_all, is_one_reading
from .shapes import Command, Device, Json, Reading, Twin, Written
from .subscription import OpenFeed, Subscription
from .topics import matches_filter
from .transport import Call, Transport, expect_object
from .writer import Writer

#: Readings of one request of ``write``.
_max_batch = 10_000
#: Beyond a wait for an outcome, s: for the way there and back.
_grace_s = 10.0
#: A wait that is over sooner was cut short by a node that stops, s.
_stopping_s = 0.5
#: How long the node lets one request wait for an outcome, s.
_longest_wait_s = 60.0


class Client(Automation):
    """Talks to one node. Safe to be used by several threads at once.

    ``url`` and ``token`` come from BRUME_URL and BRUME_TOKEN (or the file BRUME_TOKEN_FILE) where they are not given;
    for a node on this machine the token of the default data folders serves too. Times are in seconds.

    >>> client = Client()
    >>> client.write([("fridge-1", "temperature", 4.2)])
    >>> client.query("SELECT * FROM latest")
    """

    def __init__(
        self,
        url: Optional[str] = None,
        token: Optional[str] = None,
        *,
        timeout: float = 30.0,
        max_attempts: int = 4,
        max_answer_bytes: int = 268_435_456,
        ssl_context: Optional[ssl.SSLContext] = None,
    ) -> None:
        address = address_of(url)
        transport = Transport(
            address,
            token_of(token, address),
            timeout=timeout,
            max_attempts=max_attempts,
            max_answer_bytes=max_answer_bytes,
            ssl_context=ssl_context,
        )
        super().__init__(transport)

    @property
    def url(self) -> str:
        """Where the node is, ending with ``/``."""
        return self._transport.address.url

    def status(self) -> Dict[str, Any]:
        """The node's name, version and store, and the token that asks."""
        return self._object(json_call("GET", "v1/status"))

    def write(
        self,
        readings: Union[ReadingInput, Iterable[ReadingInput], str, bytes],
        *,
        key: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> Written:
        """Stores readings; returns when they are on the node's disk.

        Dicts as the API takes them, tuples ``(device, property, value[, time])``, or line protocol as a text. All of a
        request is stored or nothing; more than 10,000 inputs go in several requests. For a steady stream use
        :meth:`writer`.

        ``key`` names this write: the node stores the same key once, however often it comes within a day. Without it a
        random one makes the client's own retries safe. Raises ``readings_invalid`` and ``store_full``.
        """
        if isinstance(readings, (str, bytes)):
            return Written(accepted=self.write_lines(readings, key=key, timeout=timeout))
        inputs = iter(cast(Iterable[ReadingInput], [readings] if is_one_reading(readings) else readings))
        name, written, number = checked_key(key), None, 0
        while True:
            batch = list(islice(inputs, _max_batch))
            if written is not None and not batch:
                return written
            text, _ = encode_all(batch)
            answer = cast(Written, self._send(text, name if number == 0 else f"{name}-{number}", timeout))
            written = answer if written is None else {**written, "accepted": written["accepted"] + answer["accepted"]}
            number += 1

    def write_lines(
        self,
        lines: Union[str, bytes],
        *,
        precision: str = "ns",
        key: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> int:
        """Stores readings in InfluxDB's line protocol; returns how many lines were sent.

        ``precision`` is the unit of their times: ns, us, ms or s. Good lines are stored although others are refused,
        which raises ``readings_invalid``.
        """
        body = lines.encode() if isinstance(lines, str) else lines
        self._transport.json(
            Call(
                "POST",
                "write",
                is_idempotent=True,
                search=[("precision", precision)],
                headers={"content-type": "text/plain; charset=utf-8", "idempotency-key": checked_key(key)},
                body=body,
                final=("store_full",),
                timeout=timeout,
            )
        )
        return sum(1 for line in body.split(b"\n") if line.strip() and not line.lstrip().startswith(b"#"))

    def writer(self, **options: Any) -> Writer:
        """Collects readings into batches, sends them from a thread of its own, and keeps what it could not send.

        The options are those of :class:`brume.Writer`.

        >>> with client.writer() as writer:
        ...     writer.add(("fridge-1", "temperature", 4.2))
        """

        def send(part: Part) -> int:
            # Retries are the writer's.
            answer = self._send("\n".join(part.lines), part.key, None, is_retried=False)
            accepted = answer.get("accepted")
            return accepted if isinstance(accepted, int) else len(part.lines)

        return Writer(send, **options)

    def query(
        self,
        sql: str,
        parameters: Sequence[Parameter] = (),
        *,
        max_rows: Optional[int] = None,
        timeout: Optional[float] = None,
    ) -> Rows:
        """Rows of one SELECT as a list of dicts; ``.to_pandas()`` makes a DataFrame of it.

        ``parameters`` are the values for ``$1``, ``$2``, …; ``timeout`` limits the statement on the node. For results
        that may not fit into memory use :meth:`query_stream`.
        """
        return sql_query.query_rows(self._transport, sql, parameters, max_rows=max_rows, timeout=timeout)

    def query_stream(
        self,
        sql: str,
        parameters: Sequence[Parameter] = (),
        *,
        max_rows: Optional[int] = None,
        timeout: Optional[float] = None,
    ) -> RowStream:
        """Rows of one SELECT while they arrive: iterate once, in a ``with``, which stops the statement at its end."""
        return sql_query.query_stream(self._transport, sql, parameters, max_rows=max_rows, timeout=timeout)

    def devices(self, device: Filter = None, *, page_size: int = 100) -> Iterator[Device]:
        """Devices that the token may see, by name, with their latest readings; asks for further pages as you go on."""
        search = [("device", one) for one in live_options(device, None).devices] + [("limit", str(page_size))]
        return cast(Iterator[Device], pages(self._transport, "v1/devices", "devices", search))

    def device(self, device: str) -> Device:
        """One device with its latest readings. Raises ``device_not_found``."""
        return cast(Device, self._object(json_call("GET", f"v1/devices/{quote(device, safe='')}")))

    def latest(self, device: Filter = None, property: Filter = None) -> List[Reading]:
        """The newest reading of each series, by device and property."""
        wanted = live_options(device, property).properties
        return [
            reading
            for one in self.devices(device, page_size=1_000)
            for reading in one["latest"]
            if not wanted or any(matches_filter(each, reading["property"]) for each in wanted)
        ]

    def subscribe(
        self,
        device: Filter = None,
        property: Filter = None,
        *,
        on_gap: Optional[Callable[[Gap], None]] = None,
        **more: Any,
    ) -> Subscription:
        """Readings as they become durable, over connections that may break: a ``with`` and a ``for``.

        ``device`` and ``property`` are filters with MQTT wildcards, one or several. ``on_gap`` hears of each interval
        in which readings may be missing, before those that come after it. ``max_queued`` readings wait for a slow loop
        (10,000); ``max_attempts`` connections in a row may fail (any number); ``silence`` s without a sign of life end
        one (60).

        >>> with client.subscribe(device="hall-b/#") as live:
        ...     for reading in live:
        ...         print(reading["device"], reading["property"], reading["value"])
        """
        options = live_options(device, property, on_gap=on_gap, **more)
        return Subscription(self._open_feed(options), options.max_queued)

    def command(
        self,
        device: str,
        name: str,
        input: Json = None,
        *,
        deadline: float = 10.0,
        retries: int = 0,
        key: Optional[str] = None,
        wait: bool = True,
        check: bool = False,
    ) -> Command:
        """Sends a command to a device, once for each key, and returns it with its outcome: done, failed or in-doubt.

        The device has ``deadline`` s to answer. ``retries`` is how often the node sends it again while the device says
        nothing. Without ``wait`` it returns as soon as the command is durable. With ``check`` a command that is not
        done raises why. Raises ``command_invalid``, ``commands_busy`` and ``idempotency_conflict``.
        """
        body = {"input": input, "deadlineMs": max(1, round(deadline * 1_000)), "retries": retries}
        path = f"v1/devices/{quote(device, safe='')}/commands/{quote(name, safe='')}"
        headers = {"idempotency-key": checked_key(key)}
        search = [] if wait else [("wait", "false")]
        timeout = _longest_wait_s + _grace_s if wait else None
        call = json_call("POST", path, body, is_idempotent=True, headers=headers, search=search, timeout=timeout)
        until = time.monotonic() + deadline + _grace_s
        command = cast(Command, self._object(call))
        while wait and command["state"] == "pending" and time.monotonic() < until:
            asked = time.monotonic()
            command = self.get_command(command["id"], wait=True)
            if command["state"] == "pending" and time.monotonic() - asked < _stopping_s:
                # A node that is about to stop answers at once, with what is still open.
                time.sleep(_stopping_s)
        if check and wait and command["state"] != "done":
            raise _command_error(command)
        return command

    def get_command(self, id: str, *, wait: bool = False) -> Command:
        """One command; with ``wait`` when it has ended, or after a minute. Raises ``command_not_found``."""
        search = [("wait", "true")] if wait else []
        timeout = _longest_wait_s + _grace_s if wait else None
        path = f"v1/commands/{quote(id, safe='')}"
        return cast(Command, self._object(json_call("GET", path, search=search, timeout=timeout)))

    def commands(self, device: Filter = None, *, state: Optional[str] = None) -> Iterator[Command]:
        """Commands that the node remembers, the newest first; asks for further pages as you go on."""
        search = [("device", one) for one in live_options(device, None).devices]
        search += [] if state is None else [("state", state)]
        return cast(Iterator[Command], pages(self._transport, "v1/commands", "commands", search))

    def twin(self, device: str) -> Twin:
        """What a device should be, and says it is. Raises ``twin_not_found``."""
        return cast(Twin, self._object(json_call("GET", f"v1/devices/{quote(device, safe='')}/twin")))

    def set_twin(self, device: str, desired: Mapping[str, Json], *, if_version: Optional[int] = None) -> Twin:
        """Changes what a device should be: a merge patch, in which None removes a member.

        With ``if_version`` only if that version of what is desired is in force, else it raises ``twin_conflict``.
        """
        body: Dict[str, Any] = {"desired": dict(desired)}
        if if_version is not None:
            body["ifVersion"] = if_version
        path = f"v1/devices/{quote(device, safe='')}/twin"
        # The version that a lost answer made would be a conflict for the second attempt.
        return cast(Twin, self._object(json_call("PATCH", path, body, is_idempotent=if_version is None)))

    def close(self) -> None:
        """Closes connections that wait for the next request. The client can still be used."""
        self._transport.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _send(self, ndjson: str, key: str, timeout: Optional[float], is_retried: bool = True) -> Dict[str, Any]:
        call = Call(
            "POST",
            "v1/readings",
            is_idempotent=is_retried,
            headers={"content-type": "application/x-ndjson", "idempotency-key": key},
            body=ndjson.encode(),
            # A full disk does not empty itself while a caller waits.
            final=("store_full",),
            timeout=timeout,
        )
        return expect_object(self._transport.json(call), self.url)

    def _open_feed(self, options: LiveOptions) -> OpenFeed:
        transport = self._transport
        context = transport.ssl_context if transport.address.is_tls else None
        return lambda sink: Feed(transport.address, transport.token, context, options, sink)


def _command_error(command: Command) -> BrumeError:
    state, error = command["state"], command.get("error")
    code = (error or {}).get("code", "command_in_doubt" if state != "failed" else "command_rejected")
    why = (error or {}).get("message", f"it is {state}")
    message = f"The command {command['command']} to {command['device']} is {state}: {why}"
    return BrumeError(code, message, status=502 if state == "failed" else 504, details={"command": dict(command)})
