"""Topics and filters with MQTT wildcards: ``+`` for one level, ``#`` for the rest (also nothing)."""

from __future__ import annotations


def matches_filter(filter: str, topic: str) -> bool:
    """Whether a topic fits a well-formed filter. Wildcards at the start do not match topics that begin with ``$``."""
    if filter == topic:
        return True
    wanted, given = filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(given) or level not in ("+", given[index]):
            return False
    return len(wanted) == len(given)
