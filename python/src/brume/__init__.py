"""Client of a Brume node, on the standard library alone, and the types of its Python functions (``brume.functions``).

Every failure is a :class:`BrumeError` with a code, a message and a hint. Times that are durations are in seconds.
"""

from .async_client import AsyncClient, AsyncWriter
from .client import Client
from .errors import BrumeError
from .live import Gap
from .query import Column, Row, Rows, RowStream
from .readings import ReadingInput, parse_time
from .shapes import Alarm, AppliedDocument, Command, Device, Json, Reading, StoredDocument, Twin, TwinState, Written
from .subscription import AsyncSubscription, LiveStats, Subscription
from .version import version as __version__
from .writer import Writer, WriterStats

__all__ = [
    "Alarm",
    "AppliedDocument",
    "AsyncClient",
    "AsyncSubscription",
    "AsyncWriter",
    "BrumeError",
    "Client",
    "Column",
    "Command",
    "Device",
    "Gap",
    "Json",
    "LiveStats",
    "Reading",
    "ReadingInput",
    "Row",
    "RowStream",
    "Rows",
    "StoredDocument",
    "Subscription",
    "Twin",
    "TwinState",
    "Writer",
    "WriterStats",
    "Written",
    "__version__",
    "parse_time",
]
