"""Who is told what, and when: the messages that follow from a change of an incident, as the market's policies say."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from broker.alerts.quiet_hours import released
from broker.alerts.storm_control import Lately, hold_ms
from broker.alerts.telling import NO_ZONE, About, Names, text_of
from broker.alerts.texts import Style, answered_text
from broker.stores.acknowledge_tokens import LinkToken
from broker.stores.database import as_retryable
from broker.stores.incident_models import DRILL, FIRE, Change, Effect, Incident, Picture, Sighting, Told
from broker.stores.incident_states import Level
from broker.stores.message_models import SMS, STORM, NewMessage
from broker.stores.policies import BUILT_IN, Policies
from broker.stores.policy_models import Channel, Policy, PolicyTable, Step, policy_kind
from broker.stores.registry import Named, Recipient, Registry
from broker.stores.storms import told_of
from contract.ids import ID_LENGTH_MAX
from runtime.clock import Clock, SystemClock

__all__ = ["COMPONENT", "DEVICE_OFFLINE", "NO_ZONE", "TROUBLE", "Composer", "Composers", "Roster", "load_rosters"]

TROUBLE = "trouble"
DEVICE_OFFLINE = "device-offline"
COMPONENT = "component"  # a part of the agent itself: every device has one of the same name
LATE_TROUBLE_DELAY_S = 60  # the clearing of what is long over is behind it in the same backlog
CONFIRMING_CAMERAS = 2
ACKNOWLEDGED = "a0"

Link = Callable[[Incident, Recipient], LinkToken | None]
"""The address by which a recipient acknowledges an incident; `None` where none is to be sent."""


@dataclass(frozen=True, slots=True)
class Roster:
    """A market's names, people and policies, as the central state has them now."""

    market: Named
    zones: tuple[Named, ...] = ()
    recipients: tuple[Recipient, ...] = ()
    policies: PolicyTable = BUILT_IN

    @property
    def names(self) -> Names:
        """The names for texts."""
        return Names(self.market, self.zones)

    def policy(self, incident: Incident) -> Policy:
        """What counts for an incident."""
        return self.policies.of(policy_kind(incident.kind))

    def at(self, step: Step) -> tuple[Recipient, ...]:
        """Who is told at a step."""
        return tuple(one for one in self.recipients if one.role in step.roles)


@dataclass(frozen=True, slots=True)
class Composer:
    """Turns changes into messages. `rosters` knows the markets, `now_unix_ms` is when messages are written.

    `channels` are those that somebody is configured for; a step that has none of them goes by SMS. `unicode`: some
    notifier carries what EUC-KR cannot.
    """

    rosters: Mapping[str, Roster] = field(default_factory=dict)
    now_unix_ms: int = 0
    link: Link | None = None
    channels: frozenset[str] = frozenset({SMS})
    unicode: bool = False
    lately: Lately = field(default_factory=Lately)

    def __call__(self, change: Change) -> Sequence[NewMessage]:
        """The messages of one change; none for repeats, clearings, a watch, and what only the console shows."""
        seen, incident = change.sighting, change.incident
        if incident is None or isinstance(seen, Picture):
            return ()
        level = seen.level if change.effect is Effect.REOPENED else incident.level
        if level != Level.ALARM:
            return ()
        if incident.severity == FIRE:
            return self._fire(change, seen, incident)
        if incident.severity == DRILL:
            return self._drill(seen, incident) if change.effect is Effect.OPENED else ()
        is_news = change.effect in {Effect.OPENED, Effect.ROSE, Effect.REOPENED}
        return self._trouble(seen, incident) if is_news else ()

    def acknowledged(self, incident: Incident, who: str, told: Sequence[Told]) -> Sequence[NewMessage]:
        """What everybody who was told learns once somebody takes care; not whoever that is."""
        roster, when = self.roster(incident.market), incident.acknowledged_unix_ms or self.now_unix_ms
        policy, people = roster.policy(incident), {one.phone: one for one in roster.recipients}
        about = About(incident, "", when)
        rows: dict[tuple[str, str], NewMessage] = {}
        for one in self._spread(roster, policy, incident, told):
            person = people.get(one.recipient, Recipient(one.name, one.recipient))
            if who in {person.name, person.phone}:
                continue
            style = self._style(policy, person)
            place, head = about.place(roster.names, style), about.head("")
            text = answered_text(place, head, incident.code, who, when, style=style)
            due = self._due(policy, person, self.now_unix_ms)
            rows[one.recipient, one.channel] = NewMessage(
                ACKNOWLEDGED,
                one.name,
                one.recipient,
                text,
                due,
                capped=True,
                channel=one.channel,
                cap_per_hour=policy.cap_per_hour,
            )
        return tuple(rows.values())

    def repeated(self, about: About, number: int) -> Sequence[NewMessage]:
        """Everybody whom a step tells, told again for the `number`th time."""
        roster = self.roster(about.incident.market)
        policy, step = roster.policy(about.incident), f"r{number}"
        if not policy.steps:
            return ()
        whole = Step(after_s=0, roles=tuple(policy.roles), channels=_channels_of(policy))
        return tuple(self._rows(roster, about, policy, whole, step, variant="unanswered", capped=True))

    def step_rows(self, about: About, step: str) -> Sequence[NewMessage]:
        """The messages of one step by its name, due now: what a storm has held back."""
        roster = self.roster(about.incident.market)
        policy = roster.policy(about.incident)
        if step.startswith("r"):
            return self.repeated(about, int(step.removeprefix("r")))
        index = int(step.removeprefix("t"))
        if index >= len(policy.steps):
            return ()
        given, people = self._whom(roster, policy, index, about.incident)
        rows = self._rows(roster, about, policy, given, step, variant="unanswered" if index else "", people=people)
        return tuple(rows)

    def roster(self, market: str) -> Roster:
        """A market's roster; of one that the registry does not know, an empty one."""
        return self.rosters.get(market, Roster(Named(market, market, market)))

    def whom(self, incident: Incident, step: str) -> tuple[tuple[Recipient, ...], tuple[str, ...]]:
        """Who is told at a step of an incident, by its name, and by which channels."""
        roster = self.roster(incident.market)
        policy = roster.policy(incident)
        if step.startswith("r"):
            people = tuple(one for one in roster.recipients if one.role in policy.roles)
            return people, self._usable(_channels_of(policy))
        index = int(step.removeprefix("t"))
        if index >= len(policy.steps):
            return (), ()
        given, people = self._whom(roster, policy, index, incident)
        return people, self._usable(given.channels)

    def _fire(self, change: Change, seen: Sighting, incident: Incident) -> Sequence[NewMessage]:
        when = incident.decided_unix_ms or incident.opened_unix_ms
        if change.effect in {Effect.OPENED, Effect.ROSE}:
            return self._steps(About(incident, seen.subject, when, seen.late), "")
        about = About(incident, seen.subject, seen.time_unix_ms, seen.late)
        if change.effect is Effect.REOPENED:
            return self._update(about, "again")
        if change.effect is Effect.CONFIRMED and change.cameras == CONFIRMING_CAMERAS and not incident.is_acknowledged:
            return self._update(about, "", cameras=change.cameras)
        return ()

    def _drill(self, seen: Sighting, incident: Incident) -> Sequence[NewMessage]:
        """A drill that arrives late is over, and tells nobody."""
        when = incident.decided_unix_ms or incident.opened_unix_ms
        return () if seen.late else self._steps(About(incident, seen.subject, when), "")

    def _trouble(self, seen: Sighting, incident: Incident) -> Sequence[NewMessage]:
        """Always the same steps: rising again tells only whoever was not told before."""
        if (seen.late and not incident.is_active) or incident.is_acknowledged:
            return ()
        delay_s = LATE_TROUBLE_DELAY_S if seen.late else 0
        return self._steps(About(incident, seen.subject, seen.time_unix_ms, seen.late), "t", delay_s=delay_s)

    def _steps(self, about: About, prefix: str, *, delay_s: int = 0) -> Sequence[NewMessage]:
        incident = about.incident
        roster = self.roster(incident.market)
        policy, begin = roster.policy(incident), self.now_unix_ms + delay_s * 1000
        is_storm = incident.severity != DRILL and self.lately.is_storm(incident, self.now_unix_ms)
        rows: list[NewMessage] = []
        for index in range(len(policy.steps)):
            step, people = self._whom(roster, policy, index, incident)
            due, name = begin + step.after_s * 1000, f"{prefix}{index}"
            variant = "unanswered" if index else ""
            if is_storm and people:
                text = text_of(about, roster.names, variant, Style())
                rows.append(NewMessage(name, STORM, STORM, text, due + hold_ms(incident), channel=STORM))
            elif not is_storm:
                rows += self._rows(roster, about, policy, step, name, variant=variant, due=due, people=people)
        return rows

    def _update(self, about: About, variant: str, *, cameras: int = 0) -> Sequence[NewMessage]:
        roster, incident = self.roster(about.incident.market), about.incident
        policy = roster.policy(incident)
        if not policy.steps:
            return ()
        step, people = self._whom(roster, policy, 0, incident)
        name = f"u{incident.event_count}"
        rows = self._rows(
            roster, about, policy, step, name, variant=variant, people=people, capped=True, cameras=cameras
        )
        return tuple(rows)

    def _whom(
        self, roster: Roster, policy: Policy, index: int, incident: Incident
    ) -> tuple[Step, tuple[Recipient, ...]]:
        """A step and its people. A fire that nobody would be told of at once is told to everybody then."""
        step, people = policy.steps[index], roster.at(policy.steps[index])
        if incident.severity == FIRE and not roster.at(policy.steps[0]):
            return step, () if index else roster.recipients
        return step, people

    def _rows(  # noqa: PLR0913 — one message has this many sides; each caller sets a few of them
        self,
        roster: Roster,
        about: About,
        policy: Policy,
        step: Step,
        name: str,
        *,
        variant: str,
        due: int | None = None,
        people: Sequence[Recipient] | None = None,
        capped: bool = False,
        cameras: int = 0,
    ) -> Iterator[NewMessage]:
        due = self.now_unix_ms if due is None else due
        cap = policy.cap_per_hour
        for channel in self._usable(step.channels):
            if channel != SMS:
                text = text_of(about, roster.names, variant, self._style(policy, None), cameras)
                yield NewMessage(name, channel, channel, text, due, capped=capped, channel=channel, cap_per_hour=cap)
                continue
            for person in roster.at(step) if people is None else people:
                link = None if self.link is None else self.link(about.incident, person)
                style = self._style(policy, person, "" if link is None else link.url)
                text = text_of(about, roster.names, variant, style, cameras)
                when = self._due(policy, person, due)
                yield NewMessage(
                    name, person.name, person.phone, text, when, capped=capped, link=link, cap_per_hour=cap
                )

    def _usable(self, wanted: Sequence[str]) -> tuple[str, ...]:
        return tuple(one for one in wanted if one in self.channels) or (SMS,)

    def _style(self, policy: Policy, person: Recipient | None, link: str = "") -> Style:
        wanted = next((one for one in policy.languages if person is not None and one == person.language), None)
        language = wanted or policy.languages[0]
        return Style(language, self.unicode, link, policy.notes.get(language, ""))

    def _due(self, policy: Policy, person: Recipient, due_unix_ms: int) -> int:
        return due_unix_ms if policy.quiet_hours == "ignores" else released(person, due_unix_ms)

    def _spread(self, roster: Roster, policy: Policy, incident: Incident, told: Sequence[Told]) -> Iterator[Told]:
        """Everybody who was told, also those whom a summary told."""
        for one in told:
            if one.channel != STORM:
                yield one
                continue
            took_ms = max(0, (incident.acknowledged_unix_ms or self.now_unix_ms) - incident.opened_unix_ms)
            for index, step in enumerate(policy.steps):
                if step.after_s * 1000 > took_ms:
                    break
                _, people = self._whom(roster, policy, index, incident)
                for channel in self._usable(step.channels):
                    if channel == SMS:
                        yield from (Told(person.name, person.phone, SMS) for person in people)
                    else:
                        yield Told(channel, channel, channel)


@dataclass(frozen=True, slots=True)
class Composers:
    """Makes the composer for some markets, from what the central state says now."""

    engine: Engine
    clock: Clock
    link: Link | None = None
    channels: frozenset[str] = frozenset({SMS})
    unicode: bool = False

    def __call__(self, markets: Iterable[str]) -> Composer:
        """A composer for one batch of changes: a number or policy that changed counts from the next one on.

        Raises:
            StoreUnavailableError: try again later.
        """
        wanted = set(markets)
        rosters = load_rosters(Registry(self.engine), wanted)
        try:
            with self.engine.connect() as connection:
                lately = Lately(told_of(connection, wanted))
        except DBAPIError as error:
            raise as_retryable(error) from error
        return Composer(rosters, self.clock.unix_ms(), self.link, self.channels, self.unicode, lately)


def trouble_kind(part: str, subject: str, device: str) -> str:
    """The kind of a trouble's incident: `<part>-<subject>`, so that two broken bays are two incidents.

    A component's name is the agent's own, so its device stands before it. Too long for an id, it is cut and ends in a
    hash of the whole, so that it still names one subject only.
    """
    whole = f"{part}-{device}-{subject}" if part == COMPONENT else f"{part}-{subject}"
    if len(whole) <= ID_LENGTH_MAX:
        return whole
    mark = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"{whole[: ID_LENGTH_MAX - len(mark) - 1]}-{mark}"


def load_rosters(registry: Registry, markets: Iterable[str]) -> dict[str, Roster]:
    """The rosters of these markets, read now.

    Raises:
        StoreUnavailableError: try again later.
    """
    wanted = set(markets)
    try:
        names = {one.id: one for one in registry.markets()}
        policies = Policies(registry.engine, SystemClock()).of_all(wanted)
        return {
            market: Roster(
                names.get(market, Named(market, market, market)),
                registry.zones(market),
                registry.recipients(market),
                policies[market].table,
            )
            for market in wanted
        }
    except DBAPIError as error:
        raise as_retryable(error) from error


def _channels_of(policy: Policy) -> tuple[Channel, ...]:
    found: dict[Channel, None] = {}
    for step in policy.steps:
        found.update(dict.fromkeys(step.channels))
    return tuple(found)
