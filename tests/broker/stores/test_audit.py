"""The audit log: newest first, bounded, cut to its columns."""

from sqlalchemy import Engine

from broker.stores.audit import Audit
from runtime.clock import ManualClock


def test_what_people_did_is_read_newest_first(engine: Engine) -> None:
    clock = ManualClock(unix_ms=1000)
    audit = Audit(engine, clock)
    audit.write("kim", "notice.push", "jungang/1", "반값")
    clock.advance(1)
    audit.write("lee", "sign-in", "127.0.0.1")
    rows = audit.newest()
    assert [(row.time_unix_ms, row.who, row.action, row.subject, row.detail) for row in rows] == [
        (2000, "lee", "sign-in", "127.0.0.1", ""),
        (1000, "kim", "notice.push", "jungang/1", "반값"),
    ]
    assert audit.newest(1) == rows[:1]


def test_over_the_bound_the_oldest_go(engine: Engine) -> None:
    audit = Audit(engine, ManualClock(), rows_max=3)
    for number in range(5):
        audit.write("kim", "sign-in", str(number))
    assert [row.subject for row in audit.newest()] == ["4", "3", "2"]


def test_texts_longer_than_their_columns_are_cut(engine: Engine) -> None:
    audit = Audit(engine, ManualClock())
    audit.write("k" * 200, "a" * 100, "s" * 500, "d" * 5000)
    (row,) = audit.newest()
    assert (len(row.who), len(row.action), len(row.subject), len(row.detail)) == (80, 40, 200, 2000)
