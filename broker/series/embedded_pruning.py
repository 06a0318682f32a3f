"""Removing old samples from the embedded store, a little at a time: whoever writes meanwhile hardly waits."""

import sqlite3
from collections.abc import Sequence

from broker.series import embedded_layout as layout

PRUNE_ROWS_MAX = 2000  # in one transaction: a few milliseconds for which a writer waits
PRUNE_SERIES_MAX = 500
_ALL = 2**62  # beyond every series' number: this kind has nothing old any more


class Pruning:
    """One way through the series of each kind. It remembers where it is, so that no call begins from the front."""

    def __init__(self) -> None:
        self._before_unix_ms = 0
        self._next: dict[str, int] = {}

    def step(self, connection: sqlite3.Connection, kinds: Sequence[str], before_unix_ms: int) -> bool:
        """Remove at most `PRUNE_ROWS_MAX` samples in one transaction; true when none that is older is left."""
        if before_unix_ms != self._before_unix_ms:
            self._next.clear()
            self._before_unix_ms = before_unix_ms
        for kind in kinds:
            begin = self._next.get(kind, 0)
            if begin == _ALL or not layout.columns(connection, kind):
                continue
            asked = (kind, begin, before_unix_ms, PRUNE_SERIES_MAX)
            found = [row[0] for row in connection.execute(layout.old_series_query(kind), asked)]
            if found:
                self._next[kind] = _remove(connection, kind, found, before_unix_ms)
                return False
            self._next[kind] = _ALL
        self._next.clear()
        return True


def _remove(connection: sqlite3.Connection, kind: str, series_ids: Sequence[int], before_unix_ms: int) -> int:
    """Remove from these series; the one at which the bound was reached, or the last."""
    left = PRUNE_ROWS_MAX
    series_id = series_ids[0]
    connection.execute("BEGIN IMMEDIATE")
    for series_id in series_ids:
        edge = connection.execute(layout.prune_edge_query(kind), (series_id, before_unix_ms, left)).fetchone()
        until_unix_ms = before_unix_ms if edge is None else edge[0]
        left -= connection.execute(layout.prune_statement(kind), (series_id, until_unix_ms)).rowcount
        connection.execute(layout.LATEST_PRUNE, (series_id, until_unix_ms))
        if left <= 0:
            break
    connection.execute("COMMIT")
    return series_id
