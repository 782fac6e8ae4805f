"""Waiting between attempts: exponential, jittered, bounded."""

from __future__ import annotations

import random
from typing import NamedTuple


class Backoff(NamedTuple):
    """Upper bounds of the first wait and of every wait, s."""

    first_s: float
    max_s: float

    def wait_s(self, failures: int) -> float:
        """How long to wait after so many failures in a row.

        The upper half of the interval is random, so that many clients that lost the same node do not come back at the
        same moment.
        """
        ceiling = min(self.max_s, self.first_s * 2.0 ** min(max(failures - 1, 0), 30))
        return ceiling / 2 + random.random() * ceiling / 2
