"""Calling back into a program from a thread or task that must go on, whatever the program does with it."""

from __future__ import annotations

import logging
from typing import Any, Callable

_logger = logging.getLogger("brume")


def tell(callback: Callable[..., None], *args: Any) -> None:
    """A callback that raises is the program's fault: it is logged, and stops nothing."""
    try:
        callback(*args)
    except Exception:
        _logger.exception("A callback raised")
