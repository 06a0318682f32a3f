"""Looks at pictures: one row for each person, picture and hour, bounded, and never in the way of the picture."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from broker.console import looks as module
from broker.console.looks import Looks
from broker.stores.audit import Audit
from broker.stores.database import migrate, open_database, sqlite_url
from runtime.clock import ManualClock
from tests.broker.console.conftest import NOW


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_database(sqlite_url(tmp_path / "central.db"))
    migrate(made)
    yield made
    made.dispose()


def rows(audit: Audit) -> list[tuple[str, str]]:
    return [(one.who, one.subject) for one in reversed(audit.newest())]


def test_a_row_for_each_person_picture_and_hour(engine: Engine) -> None:
    clock = ManualClock(NOW - NOW % module.HOUR_MS)
    audit = Audit(engine, clock)
    looks = Looks(audit, clock)
    for who, picture in (("a", "one"), ("a", "one"), ("b", "one"), ("a", "two"), ("a", "one")):
        looks.note(who, "incident.picture", picture)
    assert rows(audit) == [("a", "one"), ("b", "one"), ("a", "two")]
    clock.advance(3599)
    looks.note("a", "incident.picture", "one")
    assert len(rows(audit)) == 3
    clock.advance(1)
    looks.note("a", "incident.picture", "one")
    assert len(rows(audit)) == 4


def test_what_is_remembered_is_bounded(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED_MAX", 2)
    clock = ManualClock(NOW)
    audit = Audit(engine, clock)
    looks = Looks(audit, clock)
    for picture in ("one", "two", "three", "three", "one"):
        looks.note("a", "incident.picture", picture)
    assert [picture for _, picture in rows(audit)] == ["one", "two", "three", "one"]


class Full(Audit):
    """An audit log on a disk that takes nothing more until it is `mended`."""

    mended = False

    def write(self, who: str, action: str, subject: str, detail: str = "") -> None:
        if not self.mended:
            raise OperationalError("INSERT", {}, OSError("disk full"))
        super().write(who, action, subject, detail)


def test_a_look_that_cannot_be_written_down_is_not_refused_and_the_next_one_is_tried(engine: Engine) -> None:
    clock = ManualClock(NOW)
    audit = Full(engine, clock)
    looks = Looks(audit, clock)
    looks.note("a", "incident.picture", "one")
    assert rows(audit) == []
    audit.mended = True
    looks.note("a", "incident.picture", "one")
    assert rows(audit) == [("a", "one")]
