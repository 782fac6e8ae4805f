"""Calls about what a node does by itself: documents (rules, functions), alarms, functions."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Union, cast
from urllib.parse import quote

from .calls import json_call, pages
from .errors import foreign_answer
from .parts import checked_key
from .readings import encode_time
from .shapes import Alarm, AppliedDocument, Json, StoredDocument
from .transport import Call, Transport, expect_object

#: Beyond a function's own deadline, s: for the way there and back.
_grace_s = 10.0
#: How long a function may take where nobody says, s: as long as the node allows, and the way.
_patience_s = 930.0


class Automation:
    """Part of :class:`brume.Client`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def apply(
        self, documents: Union[Mapping[str, Any], Sequence[Mapping[str, Any]], str], *, dry_run: bool = False
    ) -> List[AppliedDocument]:
        """Applies documents: one dict, several, or YAML as a text. All of them in one commit, or none.

        Returns what each was to the node (created, changed, unchanged) and how it is kept. With ``dry_run`` they are
        only checked. Needs a token with the scope admin. Raises ``document_invalid`` with all ``details["mistakes"]``.
        """
        search = [("dry-run", "true")] if dry_run else []
        if isinstance(documents, str):
            headers = {"content-type": "application/yaml"}
            # Applying the same again changes nothing.
            call = Call("POST", "v1/documents", True, search, headers, documents.encode())
        else:
            body = dict(documents) if isinstance(documents, Mapping) else [dict(one) for one in documents]
            call = json_call("POST", "v1/documents", body, is_idempotent=True, search=search)
        return cast(List[AppliedDocument], self._list(call, "documents"))

    def documents(self, kind: Optional[str] = None) -> Iterator[StoredDocument]:
        """Documents by kind and name; ``kind`` as in a document (``Rule``) or its plural (``rules``)."""
        search = [] if kind is None else [("kind", kind)]
        return cast(Iterator[StoredDocument], pages(self._transport, "v1/documents", "documents", search))

    def document(self, kind: str, name: str) -> StoredDocument:
        """Raises ``document_not_found``."""
        return cast(StoredDocument, self._object(json_call("GET", _document_path(kind, name))))

    def delete_document(self, kind: str, name: str) -> None:
        """Raises ``document_not_found``."""
        self._transport.json(json_call("DELETE", _document_path(kind, name), is_idempotent=False))

    def alarms(self, state: Optional[str] = None) -> List[Alarm]:
        """Those that are raised first, the newest of them first; ``state`` raised or cleared for those alone."""
        search = [] if state is None else [("state", state)]
        return cast(List[Alarm], self._list(json_call("GET", "v1/alarms", search=search), "alarms"))

    def acknowledge_alarm(self, alarm: str, note: Optional[str] = None) -> Alarm:
        """Says that somebody sees to it. ``alarm`` is its ``id``. Raises ``alarm_not_found``."""
        return self._alarm(alarm, "acknowledge", {}, note)

    def silence_alarm(self, alarm: str, until: Union[datetime, str], note: Optional[str] = None) -> Alarm:
        """Until then it tells nobody; a time that has passed ends a silence. Raises ``alarm_not_found``."""
        return self._alarm(alarm, "silence", {"until": encode_time(until, "A silence")}, note)

    def clear_alarm(self, alarm: str, note: Optional[str] = None) -> Alarm:
        """What raised it may raise it again. Raises ``alarm_not_found``."""
        return self._alarm(alarm, "clear", {}, note)

    def invoke(
        self, name: str, event: Json = None, *, deadline: Optional[float] = None, key: Optional[str] = None
    ) -> Json:
        """Calls a function with an event and returns what it returned.

        ``deadline`` is how long somebody waits for it, s; its own limits hold besides. ``key`` names this call: within
        ten minutes the same key is the same call, and ``ctx.key`` follows from it. Without one a random key makes the
        client's own retries safe. Raises ``function_not_found``, ``function_failed``, ``function_timeout``,
        ``functions_busy``, ….
        """
        search = [] if deadline is None else [("deadlineMs", str(math.ceil(deadline * 1_000)))]
        timeout = _patience_s if deadline is None else deadline + _grace_s
        path = f"v1/functions/{quote(name, safe='')}/invoke"
        headers = {"idempotency-key": checked_key(key)}
        call = json_call("POST", path, event, is_idempotent=True, headers=headers, search=search, timeout=timeout)
        return self._transport.json(call)

    def _alarm(self, alarm: str, change: str, facts: Dict[str, Json], note: Optional[str]) -> Alarm:
        body = facts if note is None else {**facts, "note": note}
        path = f"v1/alarms/{quote(alarm, safe='')}/{change}"
        return cast(Alarm, self._object(json_call("POST", path, body, is_idempotent=False)))

    def _object(self, call: Call) -> Dict[str, Any]:
        return expect_object(self._transport.json(call), self._transport.address.url)

    def _list(self, call: Call, member: str) -> List[Any]:
        items = self._object(call).get(member)
        if isinstance(items, list):
            return items
        raise foreign_answer(self._transport.address.url, f"its answer has no {member}")


def _document_path(kind: str, name: str) -> str:
    return f"v1/documents/{quote(kind, safe='')}/{quote(name, safe='')}"
