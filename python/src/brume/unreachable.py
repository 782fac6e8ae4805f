"""Why a connection could not be made, or broke: the system's error in words that say what to do."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
from typing import Tuple

from .errors import BrumeError

_by_errno = {
    errno.ECONNREFUSED: ("nothing listens there", "Start a node with `brume up`, or give the URL of one that runs."),
    errno.ECONNRESET: ("the connection broke", "The node may be stopping; try again, and look into its log."),
    errno.EPIPE: ("the connection broke", "The node may be stopping; try again, and look into its log."),
    errno.ETIMEDOUT: ("it does not answer in time", "Check the network between here and the node, and its load."),
    errno.EHOSTUNREACH: ("no route leads there", "Check the network between here and the node."),
    errno.ENETUNREACH: ("no route leads there", "Check the network between here and the node."),
}


def unreachable(url: str, cause: BaseException) -> BrumeError:
    why, hint = _reason(cause)
    error = BrumeError("node_unreachable", f"Cannot reach {url}: {why}", hint=hint)
    error.__cause__ = cause
    return error


def _reason(cause: BaseException) -> Tuple[str, str]:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted ({cause.verify_message})",
            "Give the client an ssl_context that knows the issuer, or set SSL_CERT_FILE.",
        )
    if isinstance(cause, ssl.SSLError):
        return "it does not speak TLS", "Use http:// in the URL if the node is reached without TLS."
    if isinstance(cause, socket.gaierror):
        return "its host name cannot be resolved", "Check the URL and the name service of this machine."
    if isinstance(cause, (TimeoutError, socket.timeout)):
        return _by_errno[errno.ETIMEDOUT]
    if isinstance(cause, (http.client.RemoteDisconnected, http.client.IncompleteRead, EOFError)):
        return _by_errno[errno.ECONNRESET]
    if isinstance(cause, OSError) and cause.errno in _by_errno:
        return _by_errno[cause.errno]
    return f"the connection failed ({cause})", "Check the URL, and that the node is running."
