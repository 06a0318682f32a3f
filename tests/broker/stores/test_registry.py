"""The registry: what is enrolled, what devices say of themselves."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from broker.stores.registry import MarketEntry, Named, Recipient, Registry, Subject
from contract.access import DeviceIdentity
from contract.presence import Presence, SettingsReport, SignageReport

JUNGANG = Named("jungang", "중앙시장", "Jungang market")
ENTRY = MarketEntry(
    JUNGANG,
    zones=(Named("b", "나구역", "Zone B"), Named("a", "가구역", "Zone A")),
    lots=(Named("lot-1", "주차장", "Lot"),),
    devices=("pi-1", "pi-2"),
    subjects=(
        Subject("bays", "bay-1", "pi-1", zone="a", lot="lot-1"),
        Subject("gates", "gate-1", "pi-1", lot="lot-1"),
        Subject("cameras", "cam-1", "pi-2", zone="b"),
    ),
    recipients=(Recipient("김점장", "01012345678"), Recipient("이반장", "01087654321", "deputy")),
)
ROOT = Path(__file__).resolve().parents[3]
WITH_A_REVISION = {"devices", "subjects", "markets", "zones", "lots"}
WRITES = {"insert", "update", "delete", "upsert", "_replace"}
PI_1 = DeviceIdentity("jungang", "pi-1")
PRESENCE = Presence(state="online", epoch="a" * 16, time_unix_ms=1000, agent_version="0.1.0", started_unix_ms=900)


@pytest.fixture
def registry(engine: Engine) -> Registry:
    one = Registry(engine)
    one.enrol(ENTRY)
    return one


def test_what_is_enrolled_is_read_back(registry: Registry) -> None:
    assert registry.markets() == (JUNGANG,)
    assert [zone.id for zone in registry.zones("jungang")] == ["a", "b"]
    assert registry.lots("jungang") == ENTRY.lots
    assert registry.subjects("jungang") == ENTRY.subjects[:1] + ENTRY.subjects[2:] + ENTRY.subjects[1:2]
    assert registry.recipients("jungang") == ENTRY.recipients
    assert registry.identities() == {PI_1, DeviceIdentity("jungang", "pi-2")}
    assert registry.known_subjects() == {
        ("jungang", "pi-1", "bays", "bay-1"),
        ("jungang", "pi-1", "gates", "gate-1"),
        ("jungang", "pi-2", "cameras", "cam-1"),
    }


def test_a_fresh_device_is_unknown(registry: Registry) -> None:
    first = registry.devices("jungang")[0]
    assert (first.device, first.state, first.epoch, first.player_urls) == ("pi-1", "unknown", None, {})


def test_enrolling_again_makes_the_registry_say_only_what_the_entry_says(registry: Registry) -> None:
    registry.note_presence(PI_1, PRESENCE)
    renamed = Named("jungang", "새중앙시장", "New Jungang")
    registry.enrol(MarketEntry(renamed, devices=("pi-1", "pi-3"), subjects=ENTRY.subjects[:1]))
    assert registry.markets() == (renamed,)
    assert (registry.zones("jungang"), registry.lots("jungang"), registry.recipients("jungang")) == ((), (), ())
    assert [(one.device, one.state) for one in registry.devices()] == [("pi-1", "online"), ("pi-3", "unknown")]
    assert registry.known_subjects() == {("jungang", "pi-1", "bays", "bay-1")}


def test_markets_are_apart(registry: Registry) -> None:
    registry.enrol(MarketEntry(Named("nambu", "남부", "Nambu"), devices=("pi-1",)))
    registry.enrol(MarketEntry(Named("nambu", "남부", "Nambu")))
    assert registry.devices("nambu") == ()
    assert len(registry.devices("jungang")) == 2


def test_what_a_device_says_of_itself_is_kept(registry: Registry) -> None:
    registry.note_presence(PI_1, PRESENCE)
    report = SettingsReport(
        settings_sha256="b" * 64, time_unix_ms=1, player_urls={"s1": "http://127.0.0.1:8611/screen/s1"}
    )
    registry.note_settings(PI_1, report)
    registry.note_signage(PI_1, SignageReport(generation=3, state="active", wanted_generation=3, time_unix_ms=2))
    record = registry.devices("jungang")[0]
    assert (record.state, record.state_unix_ms, record.epoch) == ("online", 1000, "a" * 16)
    assert record.player_urls == {"s1": "http://127.0.0.1:8611/screen/s1"}
    assert record.signage["generation"] == 3


def test_a_stranger_changes_nothing(registry: Registry) -> None:
    registry.note_presence(DeviceIdentity("jungang", "ghost"), PRESENCE)
    assert len(registry.devices()) == 2


def test_every_enrolment_gives_the_market_another_revision_and_no_other(registry: Registry) -> None:
    registry.enrol(MarketEntry(Named("nambu", "남부", "Nambu")))
    seen = [registry.revisions()]
    for _ in range(3):
        registry.enrol(ENTRY)
        seen.append(registry.revisions())
    assert len({one["jungang"] for one in seen}) == len(seen)
    assert {one["nambu"] for one in seen} == {seen[0]["nambu"]}
    assert all(seen[0].values())


def test_what_devices_say_of_themselves_changes_no_revision(registry: Registry) -> None:
    before = registry.revisions()
    registry.note_presence(PI_1, PRESENCE)
    registry.note_settings(PI_1, SettingsReport(settings_sha256="b" * 64, time_unix_ms=1, player_urls={}))
    registry.note_signage(PI_1, SignageReport(generation=3, state="active", wanted_generation=3, time_unix_ms=2))
    assert registry.revisions() == before


def test_an_enrolment_that_fails_changes_no_revision(registry: Registry) -> None:
    before = registry.revisions()
    twice = (Recipient("김점장", "01012345678"), Recipient("이반장", "01012345678"))
    with pytest.raises(IntegrityError):
        registry.enrol(MarketEntry(JUNGANG, recipients=twice))
    assert registry.revisions() == before


def test_markets_without_anybody_to_tell_are_named(registry: Registry) -> None:
    assert registry.markets_without_recipients() == ()
    for market in ("seo", "nambu"):
        registry.enrol(MarketEntry(Named(market, market, market)))
    assert registry.markets_without_recipients() == ("nambu", "seo")


def test_rosters_are_those_of_the_markets_that_are_asked_for(registry: Registry) -> None:
    registry.enrol(MarketEntry(Named("nambu", "남부", "Nambu"), devices=("pi-7",)))
    registry.enrol(MarketEntry(Named("seo", "서부", "Seo"), devices=("pi-8",)))
    found = registry.rosters(["jungang", "nambu"])
    assert sorted(found.devices) == [("jungang", "pi-1"), ("jungang", "pi-2"), ("nambu", "pi-7")]
    assert set(found.subjects) == registry.known_subjects()


def writers(path: Path) -> Iterator[str]:
    """The functions of a file that write tables whose changes need a revision, as "file: function"."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and _name(call.func) in WRITES:
                    tables = {_name(one) for one in (*call.args, getattr(call.func, "value", None))}
                    if tables & WITH_A_REVISION:
                        yield f"{path.relative_to(ROOT)}: {function.name}"


def _name(node: ast.AST | None) -> str | None:
    return getattr(node, "attr", None) or getattr(node, "id", None)


def test_nothing_writes_what_is_enrolled_without_a_revision() -> None:
    """`enrol` draws one; `_note` changes no device's name, the roster book only who has the last word about people.

    Who adds a writer here has to see to the revision.
    """
    found = {one for part in ("broker", "jangteo") for path in (ROOT / part).rglob("*.py") for one in writers(path)}
    assert found == {
        *(f"broker/stores/registry.py: {name}" for name in ("enrol", "_note")),
        *(f"broker/stores/rosters.py: {name}" for name in ("_take_over", "give_back")),
    }
    plain = re.compile(r"(INSERT INTO|UPDATE|DELETE FROM) (devices|subjects|markets|zones|lots)\b")
    sources = [path for part in ("broker", "jangteo") for path in (ROOT / part).rglob("*.py")]
    assert [path for path in sources if plain.search(path.read_text(encoding="utf-8"))] == []
