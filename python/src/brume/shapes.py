"""What a node answers, as the API shows it (docs/reference/openapi.json): times are ISO 8601 texts with µs."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, TypedDict

Json = Any
"""What ``json.loads`` makes of JSON."""


class Reading(TypedDict):
    """Exactly one of value, text and json is set; an integer beyond 2^53 has value and json."""

    time: str
    received: str
    device: str
    property: str
    value: Optional[float]
    text: Optional[str]
    json: Optional[str]
    tags: str
    quality: int
    node: str
    epoch: str
    seq: int


class Device(TypedDict):
    device: str
    received: str
    series: int
    latest: List[Reading]


class _WrittenAlways(TypedDict):
    #: How many readings; of line protocol, how many lines.
    accepted: int


class Written(_WrittenAlways, total=False):
    """What the node says once readings are on its disk. Line protocol has no places."""

    #: Sequence of the first one; the others follow it.
    seq: int
    epoch: str


class _CommandAlways(TypedDict):
    id: str
    device: str
    command: str
    input: Json
    source: str
    #: pending, done, failed or in-doubt.
    state: str
    created: str
    deadline: str
    retries: int
    attempts: int


class Command(_CommandAlways, total=False):
    accepted: str
    ended: str
    late: bool
    output: Json
    error: Dict[str, str]


class _TwinStateAlways(TypedDict):
    version: int
    values: Dict[str, Json]


class TwinState(_TwinStateAlways, total=False):
    time: str


class Twin(TypedDict):
    device: str
    desired: TwinState
    reported: TwinState
    #: What is desired and not reported so.
    delta: Dict[str, Json]


class _AlarmAlways(TypedDict):
    id: str
    alarm: str
    #: raised or cleared.
    state: str
    #: info, warning or critical.
    severity: str
    message: str
    source: str
    raised: str
    count: int


class Alarm(_AlarmAlways, total=False):
    device: str
    cleared: str
    acknowledged: Dict[str, Json]
    silenced: Dict[str, Json]


class _StoredDocumentAlways(TypedDict):
    apiVersion: str
    kind: str
    metadata: Dict[str, Json]
    spec: Dict[str, Json]


class StoredDocument(_StoredDocumentAlways, total=False):
    """A document as it is kept: ``status`` is what the node says of it."""

    status: Dict[str, Json]


class AppliedDocument(TypedDict):
    #: created, changed or unchanged.
    change: str
    document: StoredDocument
