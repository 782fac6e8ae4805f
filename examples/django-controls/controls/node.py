"""The node behind this page: BRUME_URL and BRUME_TOKEN say which one, and as whom."""

import json
from functools import lru_cache
from itertools import islice

from brume import Client

#: What one page shows at most.
MAX_DEVICES = 200
MAX_COMMANDS = 20


@lru_cache(maxsize=1)
def client():
    """One for all threads of the server. A page does not wait for a node that is away: it says so."""
    return Client(timeout=5, max_attempts=1)


def devices():
    return [
        {
            "name": device["device"],
            "received": device["received"],
            "readings": [
                {"property": reading["property"], "value": value_of(reading)}
                for reading in sorted(device["latest"], key=lambda reading: reading["property"])
            ],
        }
        for device in islice(client().devices(), MAX_DEVICES)
    ]


def commands():
    """The newest first, with what became of them."""
    return [{**command, "answer": answer_of(command)} for command in islice(client().commands(), MAX_COMMANDS)]


def answer_of(command):
    if "error" in command:
        return command["error"]["message"]
    output = command.get("output")
    return "" if output is None else json.dumps(output, ensure_ascii=False)


def value_of(reading):
    if reading["value"] is not None:
        return f"{reading['value']:.6g}"
    return reading["text"] if reading["text"] is not None else reading["json"]
