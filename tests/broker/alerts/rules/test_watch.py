"""Rules at work: a store that fills, a clock that goes on, looks every ten seconds, and real incidents."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from sqlalchemy import Engine

from broker.alerts.rules.watch import RuleWatch
from broker.rules.dry_run import Span, dry_run
from broker.rules.model import Rule
from broker.rules.words import words_of
from broker.series.memory import MemorySeriesStore
from broker.series.ports import FieldValue, Series
from broker.stores.database import StoreUnavailableError
from broker.stores.incident_models import Incident, Sighting
from broker.stores.incidents import Incidents
from broker.stores.registry import MarketEntry, Named, Registry, Subject
from broker.stores.rule_states import RuleStates
from runtime.clock import ManualClock
from runtime.errors import RetryableError
from tests.broker.alerts.central import MARKET, NOW_UNIX_MS
from tests.broker.rules.ruleset import BAY, FULL, bay_fields, rule, write

STEP_S = 10
RULES = {"bay-fault": rule(clear_for_s=60)}
ZONES = (Named("a", "A구역", "Zone A"), Named("b", "B구역", "Zone B"))


def bay(subject: str = "a-01", zone: str | None = "b") -> Subject:
    return Subject("bays", subject, BAY.device, zone)


@dataclass
class Scene:
    """A market with bays, what is said of them, and whoever looks."""

    engine: Engine
    clock: ManualClock
    store: MemorySeriesStore = field(default_factory=MemorySeriesStore)
    rules: Mapping[str, Rule] = field(default_factory=lambda: RULES)
    told: list[Sighting] = field(default_factory=list)
    fails: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        self.incidents = Incidents(self.engine, self.clock)
        self.restart()

    def enrol(self, *subjects: Subject) -> None:
        entry = MarketEntry(Named(MARKET, "중앙시장", "Jungang"), zones=ZONES, devices=(BAY.device,), subjects=subjects)
        Registry(self.engine).enrol(entry)

    def restart(self) -> None:
        registry, states = Registry(self.engine), RuleStates(self.engine)
        self.watch = RuleWatch(self.store, registry, self.incidents, states, self.record, self.clock)

    def record(self, sightings: Sequence[Sighting]) -> None:
        if self.fails():
            raise StoreUnavailableError("the central state did not answer")
        self.told += sightings
        self.incidents.record(sightings, lambda _change: ())

    def say(self, state: str, series: Series = BAY) -> None:
        write(self.store, series, [(self.clock.unix_ms(), bay_fields(state))])

    def pass_s(self, seconds: int, state: str | None, *, looks: bool = True) -> None:
        """Time goes by; what `state` says comes every ten seconds, then somebody looks."""
        for _ in range(seconds // STEP_S):
            self.clock.advance(STEP_S)
            if state is not None:
                self.say(state)
            if looks:
                self.watch.look(self.rules)

    def all(self) -> tuple[Incident, ...]:
        return self.incidents.open_and_recent()

    def active(self) -> list[tuple[str, str]]:
        return [(one.zone, one.kind) for one in self.all() if one.is_active]


@pytest.fixture
def scene(engine: Engine, clock: ManualClock) -> Scene:
    made = Scene(engine, clock)
    made.enrol(bay())
    return made


def test_a_fault_that_lasts_is_an_incident_until_it_is_over(scene: Scene) -> None:
    scene.pass_s(600, "unknown")
    assert scene.active() == [], "ten seconds are missing: it was first seen at the first look"
    assert scene.watch.counts() == (0, 1)
    scene.pass_s(20, "unknown")
    assert scene.active() == [("b", "sensor-bay-fault-a-01")]
    assert scene.watch.counts() == (1, 0)
    scene.pass_s(60, "free")
    assert len(scene.active()) == 1, "its end has to be seen for a minute"
    scene.pass_s(20, "free")
    assert scene.active() == []
    assert scene.watch.counts() == (0, 0)
    (incident,) = scene.all()
    assert incident.opened_unix_ms == NOW_UNIX_MS + 610_000
    assert (incident.severity, incident.detail) == ("trouble", "주차면 센서 고장 · bay sensor at fault")
    words = words_of(scene.told[0].body)
    assert words is not None
    assert (words.rule, words.device, words.subject, words.ko) == ("bay-fault", BAY.device, "a-01", "주차면 센서 고장")


def test_an_hour_of_silence_neither_fires_nor_clears(scene: Scene) -> None:
    scene.pass_s(300, "unknown")
    scene.pass_s(3600, None)
    assert scene.active() == []
    scene.pass_s(320, "unknown")
    assert len(scene.active()) == 1
    scene.pass_s(3600, None)
    assert len(scene.active()) == 1


def test_an_old_value_and_one_from_the_future_say_nothing(scene: Scene) -> None:
    scene.rules = {"bay-fault": rule(for_s=0)}
    scene.say("unknown")
    scene.clock.advance(26)
    scene.watch.look(scene.rules)
    assert scene.active() == []
    write(scene.store, BAY, [(scene.clock.unix_ms() + 60_000, bay_fields("unknown"))])
    scene.watch.look(scene.rules)
    assert scene.active() == []
    scene.clock.advance(70)
    scene.say("unknown")
    scene.watch.look(scene.rules)
    assert len(scene.active()) == 1


def test_a_restart_goes_on_waiting_with_what_was_said_meanwhile(scene: Scene) -> None:
    scene.pass_s(300, "unknown")
    scene.pass_s(200, "unknown", looks=False)
    scene.restart()
    scene.pass_s(100, "unknown")
    assert scene.active() == []
    scene.pass_s(20, "unknown")
    assert [one.opened_unix_ms for one in scene.all()] == [NOW_UNIX_MS + 610_000], "as if it had never been away"


def test_a_restart_sees_that_the_wait_was_broken_meanwhile(scene: Scene) -> None:
    scene.pass_s(500, "unknown")
    scene.pass_s(50, "free", looks=False)
    scene.pass_s(300, "unknown", looks=False)
    scene.restart()
    scene.pass_s(290, "unknown")
    assert scene.active() == []
    scene.pass_s(30, "unknown")
    assert len(scene.active()) == 1


def test_a_restart_ends_what_ended_meanwhile(scene: Scene) -> None:
    scene.pass_s(620, "unknown")
    scene.pass_s(600, "free", looks=False)
    scene.restart()
    scene.pass_s(10, "free")
    assert scene.active() == []
    assert len(scene.all()) == 1
    assert RuleStates(scene.engine).all() == ()


def test_what_began_and_ended_while_nobody_looked_is_told_with_its_end(scene: Scene) -> None:
    scene.pass_s(500, "unknown")
    scene.pass_s(300, "unknown", looks=False)
    scene.pass_s(600, "free", looks=False)
    scene.restart()
    scene.watch.look(scene.rules)
    (incident,) = scene.all()
    assert not incident.is_active
    assert [(one.phase.value, one.late) for one in scene.told] == [("raised", True), ("cleared", False)]
    assert incident.opened_unix_ms == NOW_UNIX_MS + 610_000


def test_a_look_that_came_too_late_reads_what_it_missed(scene: Scene) -> None:
    scene.pass_s(300, "unknown")
    scene.pass_s(100, "unknown", looks=False)
    scene.pass_s(10, "free", looks=False)
    scene.pass_s(290, "unknown", looks=False)
    scene.watch.look(scene.rules)
    scene.pass_s(300, "unknown")
    assert scene.active() == [], "one `free` among forty was seen"
    scene.pass_s(30, "unknown")
    assert len(scene.active()) == 1


def test_what_cannot_be_written_is_told_at_the_next_look_and_once(scene: Scene) -> None:
    scene.pass_s(600, "unknown")
    scene.fails = lambda: True
    scene.clock.advance(20)
    scene.say("unknown")
    with pytest.raises(RetryableError):
        scene.watch.look(scene.rules)
    scene.fails = lambda: False
    scene.pass_s(20, "unknown")
    assert [(one.opened_unix_ms, one.event_count) for one in scene.all()] == [(NOW_UNIX_MS + 610_000, 1)]


def test_a_death_between_writing_and_telling_loses_nothing(scene: Scene) -> None:
    scene.pass_s(600, "unknown")
    scene.fails = lambda: True
    scene.clock.advance(20)
    scene.say("unknown")
    with pytest.raises(RetryableError):
        scene.watch.look(scene.rules)
    (state,) = RuleStates(scene.engine).all()
    assert state.event_id is not None, "it was written down that it fires"
    scene.fails = lambda: False
    scene.restart()
    scene.watch.look(scene.rules)
    assert len(scene.active()) == 1
    scene.restart()
    scene.watch.look(scene.rules)
    assert [one.event_count for one in scene.all()] == [1], "said again, it is the same event"


def test_another_service_that_takes_over_goes_on(scene: Scene) -> None:
    scene.pass_s(300, "unknown")
    first = scene.watch
    scene.restart()
    first.forget()
    scene.pass_s(320, "unknown")
    scene.watch.forget()
    scene.watch = first
    scene.pass_s(20, "unknown")
    assert [one.event_count for one in scene.all()] == [1]
    scene.pass_s(100, "free")
    assert scene.active() == []


def test_what_a_rule_was_about_can_go_and_its_incident_ends(scene: Scene) -> None:
    scene.pass_s(620, "unknown")
    scene.enrol()
    scene.pass_s(10, "unknown")
    assert scene.active() == []
    assert RuleStates(scene.engine).all() == ()


def test_a_rule_that_is_taken_away_ends_even_after_a_restart(scene: Scene) -> None:
    scene.pass_s(620, "unknown")
    scene.rules = {}
    scene.restart()
    scene.pass_s(10, "unknown")
    assert scene.active() == []


def test_an_incident_ends_where_it_began_though_its_bay_has_moved(scene: Scene) -> None:
    scene.pass_s(620, "unknown")
    scene.enrol(bay(zone="a"))
    scene.pass_s(80, "free")
    assert scene.active() == []


def test_what_is_not_registered_is_not_judged(scene: Scene) -> None:
    for _ in range(70):
        scene.clock.advance(STEP_S)
        scene.say("unknown", BAY._replace(subject="b-99"))
        scene.watch.look(scene.rules)
    assert scene.watch.counts() == (0, 0)


def test_two_subjects_at_the_same_moment_are_two_incidents(scene: Scene) -> None:
    scene.enrol(bay("a-01"), bay("a-02"))
    for _ in range(62):
        scene.clock.advance(STEP_S)
        for name in ("a-01", "a-02"):
            scene.say("unknown", BAY._replace(subject=name))
        scene.watch.look(scene.rules)
    assert sorted(scene.active()) == [("b", f"sensor-bay-fault-{name}") for name in ("a-01", "a-02")]


def test_a_level_of_watch_and_a_band(scene: Scene) -> None:
    agent = Series(MARKET, BAY.device, "agents", BAY.device)
    scene.enrol(Subject("agents", BAY.device, BAY.device))
    scene.rules = {"outbox-filling": rule(FULL, level="watch")}

    def pass_s(seconds: int, share: float) -> None:
        for _ in range(seconds // STEP_S):
            scene.clock.advance(STEP_S)
            fields: dict[str, FieldValue] = {"outbox_share": share}
            write(scene.store, agent, [(scene.clock.unix_ms(), fields)])
            scene.watch.look(scene.rules)

    pass_s(80, 0.85)
    assert [one.level for one in scene.all()] == ["watch"]
    pass_s(600, 0.75)
    assert scene.active() == [("none", f"rule-outbox-filling-{BAY.device}")]
    pass_s(10, 0.7)
    assert scene.active() == []


def test_a_camera_reports_more_often_than_somebody_looks(scene: Scene) -> None:
    """Its readings stand for 8 s only: what came between two looks is read, or time would be lost at each."""
    camera = Series(MARKET, BAY.device, "cameras", "cam-1")
    scene.enrol(Subject("cameras", "cam-1", BAY.device, "a"))
    slow = rule(telemetry="cameras", field="fps", condition={"below": 2, "clear_at": 4}, incident="camera")
    scene.rules = {"bay-fault": slow}
    for _ in range(62):
        for _ in range(5):
            scene.clock.advance(2)
            fields: dict[str, FieldValue] = {"state": "live", "fps": 1.0}
            write(scene.store, camera, [(scene.clock.unix_ms(), fields)])
        scene.watch.look(scene.rules)
    assert [(one.kind, one.opened_unix_ms) for one in scene.all()] == [
        ("camera-bay-fault-cam-1", NOW_UNIX_MS + 610_000)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_what_is_told_is_what_a_dry_run_says_whenever_services_die(scene: Scene, seed: int) -> None:
    chance, begun = random.Random(seed), scene.clock.unix_ms()
    scene.rules = {"bay-fault": rule(for_s=60, clear_for_s=30)}
    state = "free"
    for _ in range(250):
        if chance.random() < 0.12:
            state = chance.choice(("unknown", "unknown", "free", "occupied"))
        # where nothing waits nobody reads back: then a look that is missed may let a wait begin a look later
        looks = chance.random() < 0.7 or scene.watch.counts() == (0, 0)
        scene.pass_s(STEP_S, state if chance.random() < 0.95 else None, looks=looks)
        if looks and chance.random() < 0.2:
            scene.restart()
            scene.watch.look(scene.rules)
    scene.watch.look(scene.rules)
    one = scene.rules["bay-fault"]
    (run,) = dry_run(one, scene.store, [BAY], Span(begun, scene.clock.unix_ms() + 1))
    said = {(one.time_unix_ms, one.phase.value) for one in scene.told}
    ended = {(one.until_unix_ms, "cleared") for one in run.firings if one.is_over}
    assert len(run.firings) > 2
    assert said == {(one.from_unix_ms, "raised") for one in run.firings} | ended
