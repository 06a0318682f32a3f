"""The registry: what is enrolled, what devices say of themselves."""

import pytest
from sqlalchemy import Engine

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
