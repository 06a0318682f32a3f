"""Looks at what the series store knows now and tells the incidents which rules begin and end to fire.

Only what fires or waits is remembered, and written down before it is told; after a restart it is read on in the history
from there, so that a wait goes on. The same is done where a look came too late to have seen every value.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from broker.alerts.rules.sightings import DEVICE, cleared, event_id_of, raised
from broker.rules.evaluation import QUIET, Standing, Timing, Turn, follow
from broker.rules.history import judged, verdict_of
from broker.rules.model import HOLDS, Judge, Rule, Verdict
from broker.series.ports import Sample, Series, SeriesStore
from broker.stores.incident_models import Sighting
from broker.stores.incidents import Incidents
from broker.stores.registry import Registry
from broker.stores.rule_states import RulePlace, RuleState, RuleStates
from contract.events import Phase
from runtime.clock import Clock

FUTURE_MS_MAX = 5000  # as the console has it: clocks that are kept differ by less
LOOK_LATE_MS = 15_000  # a look comes every ten seconds: after a longer time values may have come and gone
WAIT_BACK_MS_MAX = 8 * 86_400_000  # more than a rule may wait for
FIRING_BACK_MS_MAX = 86_400_000  # a firing that ended meanwhile is ended; whatever else was is history

Record = Callable[[Sequence[Sighting]], object]


@dataclass(frozen=True, slots=True)
class Held:
    """What is remembered of a rule that fires or waits. `is_read_on`: the history from there has been taken."""

    standing: Standing
    event_id: str | None = None
    is_read_on: bool = True

    def state(self, place: RulePlace) -> RuleState:
        """As it is written down."""
        since = self.standing.firing_since_unix_ms
        if since is None:
            since = self.standing.turning_since_unix_ms or 0
        return RuleState(place, since, self.event_id)


@dataclass(slots=True)
class _Market:
    """What the registry says of a market: (device, kind, subject) → zone."""

    revision: str
    subjects: Mapping[tuple[str, str, str], str | None]


@dataclass(slots=True)
class _Outcome:
    """What a look at a market comes to."""

    held: dict[RulePlace, Held]
    changed: list[RuleState]
    over: list[RulePlace]
    sightings: list[Sighting]


class RuleWatch:
    """Evaluates rules; `record` takes sightings and raises when it could not."""

    def __init__(
        self,
        store: SeriesStore,
        registry: Registry,
        incidents: Incidents,
        states: RuleStates,
        record: Record,
        clock: Clock,
    ) -> None:
        self._store = store
        self._registry = registry
        self._incidents = incidents
        self._states = states
        self._record = record
        self._clock = clock
        self._held: dict[str, dict[RulePlace, Held]] | None = None
        self._markets: dict[str, _Market] = {}
        self._rules: Mapping[str, Rule] = {}
        self.turns_total = 0

    def forget(self) -> None:
        """Another service looks from now on: what is written down counts when this one looks again."""
        self._held = None

    def counts(self) -> tuple[int, int]:
        """How many (rule, subject) fire, and how many wait."""
        found = [one for held in list((self._held or {}).values()) for one in list(held.values())]
        firing = sum(one.event_id is not None for one in found)
        return firing, len(found) - firing

    def look(self, rules: Mapping[str, Rule]) -> None:
        """Look at every market once, with these rules.

        Raises:
            RetryableError: a store does not answer; markets that were not come to are looked at next time.
            FatalError: the series store refuses us; a person has to act.
        """
        self._rules = rules
        self._refresh()
        held = self._held
        if held is None:
            held = self._load()
        for market in sorted(self._markets.keys() | held.keys()):
            self._look_at(market, held.get(market, {}))

    def _refresh(self) -> None:
        revisions = self._registry.revisions()
        for market, revision in revisions.items():
            kept = self._markets.get(market)
            if kept is None or kept.revision != revision:
                found = self._registry.subjects(market)
                subjects = {(one.device, one.kind, one.subject): one.zone for one in found}
                self._markets[market] = _Market(revision, subjects)
        for market in self._markets.keys() - revisions.keys():
            del self._markets[market]

    def _load(self) -> dict[str, dict[RulePlace, Held]]:
        """What is written down. What fires is told once more: it may have been written and not been told."""
        held: dict[str, dict[RulePlace, Held]] = {}
        now, told = self._clock.unix_ms(), []
        for state in self._states.all():
            place = state.place
            held.setdefault(place.market, {})[place] = _restored(state, now)
            rule = self._rules.get(place.rule)
            if state.event_id is not None and rule is not None and self._is_there(rule, place):
                told.append(raised(rule, place, state.since_unix_ms, self._zone(rule, place), now))
        if told:
            self._record(told)
        self._held = held
        return held

    def _look_at(self, market: str, held: Mapping[RulePlace, Held]) -> None:
        """One market: what changed is written, then told, then remembered; what is over is forgotten last."""
        rules = [rule for rule in self._rules.values() if rule.markets is None or market in rule.markets]
        if not held and (not rules or market not in self._markets):
            return
        outcome = self._outcome(market, rules, held)
        self._states.write(outcome.changed, ())
        if outcome.sightings:
            self._record(outcome.sightings)
        self._states.write((), outcome.over)
        self.turns_total += len(outcome.sightings)
        if self._held is not None:
            self._held[market] = outcome.held

    def _outcome(self, market: str, rules: Iterable[Rule], held: Mapping[RulePlace, Held]) -> _Outcome:
        now = self._clock.unix_ms()
        outcome = _Outcome(dict(held), [], [], [])
        samples = self._samples(market)
        waiting = dict(held)
        for rule in rules:
            judge = rule.judge()
            for series, sample in samples.get(rule.telemetry, {}).items():
                place = RulePlace(rule.name, market, series.device, series.subject)
                kept = waiting.pop(place, None)
                if not self._is_there(rule, place):
                    if kept is not None:
                        self._end(outcome, place, kept, now)
                elif kept is not None:
                    self._go_on(outcome, rule, place, kept, (sample, judge), now)
                else:
                    self._begin(outcome, rule, place, (sample, judge), now)
        for place, kept in waiting.items():
            rule_now = self._rules.get(place.rule)
            if rule_now is None or not self._is_there(rule_now, place):
                self._end(outcome, place, kept, now)
            else:
                self._go_on(outcome, rule_now, place, kept, None, now)
        return outcome

    def _samples(self, market: str) -> Mapping[str, Mapping[Series, Sample]]:
        wanted = {rule.telemetry for rule in self._rules.values()}
        found: dict[str, dict[Series, Sample]] = {}
        for sample in self._store.latest(market) if wanted else ():
            if sample.series.kind in wanted:
                found.setdefault(sample.series.kind, {})[sample.series] = sample
        return found

    def _is_there(self, rule: Rule, place: RulePlace) -> bool:
        """Whether the rule is about this, and the registry knows it."""
        market = self._markets.get(place.market)
        key = (place.device, rule.telemetry, place.subject)
        return market is not None and key in market.subjects and rule.is_about(place.market, place.device)

    def _zone(self, rule: Rule, place: RulePlace) -> str | None:
        return self._markets[place.market].subjects[place.device, rule.telemetry, place.subject]

    def _begin(
        self, outcome: _Outcome, rule: Rule, place: RulePlace, heard: tuple[Sample, Judge], now_unix_ms: int
    ) -> None:
        """A rule that is quiet here hears a value: an old one, or one from the future, says nothing of now."""
        sample, judge = heard
        says, verdict = verdict_of(rule, judge, sample)
        age_ms = now_unix_ms - sample.time_unix_ms
        if says and verdict == HOLDS and -FUTURE_MS_MAX <= age_ms < rule.hold_ms:
            values = ((sample.time_unix_ms, verdict),)
            followed = follow(Timing.of(rule), QUIET, values, now_unix_ms)
            self._keep(outcome, rule, place, Held(followed.standing), followed.turns)

    def _go_on(
        self,
        outcome: _Outcome,
        rule: Rule,
        place: RulePlace,
        kept: Held,
        heard: tuple[Sample, Judge] | None,
        now_unix_ms: int,
    ) -> None:
        standing = kept.standing
        begin, end = standing.heard_unix_ms + 1, now_unix_ms + FUTURE_MS_MAX
        is_late = now_unix_ms - standing.until_unix_ms > LOOK_LATE_MS
        is_far = heard is not None and heard[0].time_unix_ms > standing.heard_unix_ms + rule.hold_ms
        values: Iterable[tuple[int, Verdict]] = ()
        if is_late or is_far or not kept.is_read_on:
            series = Series(place.market, place.device, rule.telemetry, place.subject)
            values = judged(rule, self._store, series, begin, end)
        elif heard is not None and begin <= heard[0].time_unix_ms < end:
            says, verdict = verdict_of(rule, heard[1], heard[0])
            values = ((heard[0].time_unix_ms, verdict),) if says else ()
        followed = follow(Timing.of(rule), standing, values, now_unix_ms)
        self._keep(outcome, rule, place, Held(followed.standing, kept.event_id), followed.turns)

    def _keep(self, outcome: _Outcome, rule: Rule, place: RulePlace, held: Held, turns: Sequence[Turn]) -> None:
        """Remember where it stands now, and tell its turns."""
        now, event_id = self._clock.unix_ms(), held.event_id
        for turn in turns:
            if turn.fires:
                event_id = event_id_of(place, turn.time_unix_ms)
                outcome.sightings.append(raised(rule, place, turn.time_unix_ms, self._zone(rule, place), now))
            elif event_id is not None:
                self._clear(outcome, place, event_id, turn.time_unix_ms)
                event_id = None
        before = outcome.held.get(place)
        after = replace(held, event_id=event_id)
        if after.standing.is_quiet:
            self._drop(outcome, place)
            return
        outcome.held[place] = after
        if before is None or before.state(place) != after.state(place):
            outcome.changed.append(after.state(place))

    def _end(self, outcome: _Outcome, place: RulePlace, kept: Held, now_unix_ms: int) -> None:
        """The rule, or what it was about, is no longer there."""
        if kept.event_id is not None:
            self._clear(outcome, place, kept.event_id, now_unix_ms)
        self._drop(outcome, place)

    def _drop(self, outcome: _Outcome, place: RulePlace) -> None:
        if outcome.held.pop(place, None) is not None:
            outcome.over.append(place)

    def _clear(self, outcome: _Outcome, place: RulePlace, event_id: str, unix_ms: int) -> None:
        just_now = (one for one in outcome.sightings if one.event_id == event_id and one.phase is Phase.RAISED)
        begun = next(just_now, None) or self._incidents.of_event(place.market, DEVICE, event_id)
        if begun is not None:
            outcome.sightings.append(cleared(begun, place, event_id, unix_ms))


def _restored(state: RuleState, now_unix_ms: int) -> Held:
    """What was written down, to be read on from there."""
    if state.event_id is None:
        begin = max(state.since_unix_ms, now_unix_ms - WAIT_BACK_MS_MAX)
        standing = Standing(until_unix_ms=begin, heard_unix_ms=begin - 1)
    else:
        begin = max(state.since_unix_ms + 1, now_unix_ms - FIRING_BACK_MS_MAX)
        standing = Standing(state.since_unix_ms, until_unix_ms=begin, heard_unix_ms=begin - 1)
    return Held(standing, state.event_id, is_read_on=False)
