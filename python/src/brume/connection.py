"""Which node a client talks to, and with which token.

The URL is the argument, else BRUME_URL, else the node of this machine. The token is the argument, else BRUME_TOKEN,
else what is in the file BRUME_TOKEN_FILE, else, only for a node on this machine, the ``admin-token`` of the folders in
which ``brume up`` and ``brume demo`` keep their data. A token of this machine is never sent to another one unasked.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple, Optional
from urllib.parse import quote, urlsplit

from .errors import BrumeError

default_url = "http://127.0.0.1:7777"
#: Below the working folder.
_data_folders = (os.path.join(".brume", "node"), os.path.join(".brume", "demo"))


class Address(NamedTuple):
    """Where a node is."""

    is_tls: bool
    host: str
    port: int
    #: Begins and ends with ``/``: a proxy may put a path in front.
    path: str

    @property
    def url(self) -> str:
        return f"{'https' if self.is_tls else 'http'}://{self.authority}{self.path}"

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_default = self.port == (443 if self.is_tls else 80)
        return host if is_default else f"{host}:{self.port}"

    @property
    def is_this_machine(self) -> bool:
        return self.host in ("localhost", "::1") or re.match(r"127\.\d+\.\d+\.\d+$", self.host) is not None


def address_of(url: Optional[str]) -> Address:
    given = url if url is not None else (os.environ.get("BRUME_URL") or default_url)
    try:
        parts = urlsplit(given)
        port = parts.port
        host = parts.hostname or ""
    except ValueError as error:
        raise _bad_url(given, f"is not a URL ({error})") from error
    if parts.scheme not in ("http", "https"):
        raise _bad_url(given, "is neither http: nor https:")
    if parts.username is not None or parts.password is not None:
        raise _bad_url(host, "carries a user or password")
    if host == "":
        raise _bad_url(given, "names no host")
    # What would end the request line, or begin another header, never gets that far.
    path = quote(parts.path, safe="/%-._~!$&'()*+,;=:@")
    is_tls = parts.scheme == "https"
    return Address(is_tls, host, port or (443 if is_tls else 80), path if path.endswith("/") else f"{path}/")


def _bad_url(url: str, why: str) -> BrumeError:
    hint = "It looks like http://127.0.0.1:7777; the token goes beside it."
    return BrumeError("request_invalid", f"The node's URL {url} {why}", hint=hint)


def token_of(token: Optional[str], address: Address) -> Optional[str]:
    if token is not None:
        return _checked(token.strip(), "the argument token")
    environment = os.environ
    if environment.get("BRUME_TOKEN"):
        return _checked(environment["BRUME_TOKEN"].strip(), "BRUME_TOKEN")
    if environment.get("BRUME_TOKEN_FILE"):
        return _from_file(environment["BRUME_TOKEN_FILE"])
    if not address.is_this_machine:
        return None
    found = [folder for folder in _data_folders if os.path.exists(os.path.join(folder, "admin-token"))]
    # The folder whose node runs now is taken before one whose node does not.
    found.sort(key=lambda folder: not os.path.exists(os.path.join(folder, "lock")))
    return _from_file(os.path.join(found[0], "admin-token")) if found else None


def _from_file(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return _checked(file.read(4096).strip(), path)
    except (OSError, UnicodeDecodeError) as error:
        raise BrumeError(
            "usage",
            f"Cannot read the token file {path}: {error}",
            hint="The first token of a node is in the file admin-token of its data folder, for its owner alone.",
        ) from error


def _checked(secret: str, origin: str) -> str:
    """A header carries printable ASCII alone; anything else is a wrong file or a bad copy."""
    if re.fullmatch(r"[\x21-\x7e]+", secret):
        return secret
    why = "it is empty" if secret == "" else "it has other characters than a token"
    hint = "A token looks like brume_k7f3a9_… and stands alone on its line."
    raise BrumeError("usage", f"What {origin} holds is no token: {why}", hint=hint)
