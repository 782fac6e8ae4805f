"""Errors with a stable identity: the code. Messages may change, so nothing should match them.

The codes are those of the node's registry (docs/reference/errors.md). An answer of a node says status and retry itself;
the table below is for failures that are found on this side, and for answers that carry no code.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping, Optional, Tuple

#: Longest problem body that is read, bytes.
max_problem_bytes = 1_048_576

#: code -> (status, retry) of what this package itself finds wrong.
_own: Mapping[str, Tuple[int, str]] = {
    "internal": (500, "never"),
    "node_unreachable": (503, "later"),
    "payload_too_large": (413, "never"),
    "readings_invalid": (400, "never"),
    "request_invalid": (400, "never"),
    "usage": (400, "never"),
    "writer_closed": (400, "never"),
    "writer_full": (507, "later"),
}

#: For answers without a code: an old node, or a proxy in between.
_code_by_status: Mapping[int, str] = {
    400: "request_invalid",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "payload_too_large",
    415: "payload_type",
    421: "host_refused",
    429: "too_many_connections",
    502: "node_unreachable",
    503: "too_many_connections",
    504: "node_unreachable",
    507: "store_full",
}

_retry_by_status: Mapping[int, str] = {
    408: "later",
    429: "later",
    502: "later",
    503: "later",
    504: "later",
    507: "later",
}

foreign_hint = "Check that this is the URL of a Brume node, and what stands between it and you."


class BrumeError(Exception):
    """Whatever goes wrong with a node, or with what was meant for it.

    ``code`` is the identity, ``status`` its HTTP status, ``retry`` one of ``never``, ``later``, ``now``: whether the
    same request can succeed. ``hint`` says what to do; ``details`` are facts for programs.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: Optional[str] = None,
        status: Optional[int] = None,
        retry: Optional[str] = None,
        details: Optional[Mapping[str, Any]] = None,
    ) -> None:
        super().__init__(message)
        own_status, own_retry = _own.get(code, (500, "never"))
        self.code = code
        self.message = message
        self.hint = hint
        self.status = own_status if status is None else status
        self.retry = own_retry if retry is None else retry
        self.details: Dict[str, Any] = dict(details or {})

    def __str__(self) -> str:
        hint = "" if self.hint is None else f" {self.hint}"
        return f"{self.message} [{self.code}]{hint}"


def problem_error(status: int, content_type: str, body: bytes, url: str, retry_after_s: Optional[float]) -> BrumeError:
    """The error of an answer whose status is no success: its problem body (RFC 9457), or what the status alone says."""
    problem: Any = None
    if "json" in content_type:
        try:
            problem = json.loads(body)
        except (ValueError, RecursionError):
            # The status alone must do: a body that broke off says nothing.
            problem = None
    details = {} if retry_after_s is None else {"retryAfterS": retry_after_s}
    if isinstance(problem, dict) and isinstance(problem.get("code"), str):
        return error_of_problem(problem, status, details)
    code = _code_by_status.get(status, "request_invalid" if 400 <= status < 500 else "internal")
    message = f"{url} answered {status} without a reason"
    retry = _retry_by_status.get(status, "never")
    return BrumeError(code, message, hint=foreign_hint, status=status, retry=retry, details=details)


def error_of_problem(
    problem: Mapping[str, Any], status: Optional[int] = None, more: Optional[Mapping[str, Any]] = None
) -> BrumeError:
    """A problem body that is known to be one, e.g. the last words of an answer that breaks off."""
    code, detail, hint = problem.get("code"), problem.get("detail"), problem.get("hint")
    said, retry, details = problem.get("status"), problem.get("retry"), problem.get("details")
    return BrumeError(
        code if isinstance(code, str) else "internal",
        detail if isinstance(detail, str) else "The node gave no reason",
        hint=hint if isinstance(hint, str) else None,
        status=said if isinstance(said, int) else status,
        retry=retry if retry in ("never", "later", "now") else "never",
        details={**(details if isinstance(details, dict) else {}), **(more or {})},
    )


def foreign_answer(url: str, why: str) -> BrumeError:
    """An answer that no Brume node gives."""
    return BrumeError("node_unreachable", f"{url} does not answer like a Brume node: {why}", hint=foreign_hint)


def too_slow(url: str, timeout_s: float) -> BrumeError:
    return BrumeError(
        "node_unreachable",
        f"{url} did not answer within {timeout_s:g} s",
        hint="Check that the node is alive and not overloaded, or allow more time.",
    )
