"""Removing old samples from the embedded store, a little at a time: whoever writes meanwhile hardly waits."""

import sqlite3
from collections.abc import Sequence

from broker.series import embedded_layout as layout

PRUNE_ROWS_MAX = 2000  # in one transaction: a few milliseconds for which a writer waits


class Pruning:
    """One way through each kind, oldest span first. In the span that is kept in part it remembers the next series."""

    def __init__(self) -> None:
        self._before_unix_ms = 0
        self._next: dict[str, int] = {}

    def step(self, connection: sqlite3.Connection, kinds: Sequence[str], before_unix_ms: int) -> bool:
        """Remove at most `PRUNE_ROWS_MAX` samples in one transaction; true when none that is older is left."""
        if before_unix_ms != self._before_unix_ms:
            self._next.clear()
            self._before_unix_ms = before_unix_ms
        held = [kind for kind in kinds if layout.columns(connection, kind)]
        for kind in held:
            if self._whole_spans(connection, kind) or self._last_span(connection, kind):
                return False
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(layout.LATEST_PRUNE, [(before_unix_ms, kind) for kind in held])
        connection.execute("COMMIT")
        self._next.clear()
        return True

    def _whole_spans(self, connection: sqlite3.Connection, kind: str) -> bool:
        """Remove from the spans that end before the time; whether there was anything."""
        end = (self._before_unix_ms // layout.span_ms(kind), 0, 0)
        connection.execute("BEGIN IMMEDIATE")
        edge = connection.execute(layout.prune_edge_query(kind), (PRUNE_ROWS_MAX,)).fetchone()
        removed = connection.execute(layout.prune_statement(kind), end if edge is None else min(end, edge)).rowcount
        connection.execute("COMMIT")
        return removed > 0

    def _last_span(self, connection: sqlite3.Connection, kind: str) -> bool:
        """Remove from the span that the time is in; whether there was anything."""
        span, begin = self._before_unix_ms // layout.span_ms(kind), self._next.get(kind, 0)
        asked = (span, begin, self._before_unix_ms, PRUNE_ROWS_MAX)
        connection.execute("BEGIN IMMEDIATE")
        found = connection.execute(layout.last_span_query(kind), asked).fetchall()
        connection.executemany(layout.last_span_prune(kind), [(span, *key) for key in found])
        connection.execute("COMMIT")
        if found:
            self._next[kind] = found[-1][0]
        return bool(found)
