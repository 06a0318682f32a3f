"""An incident's timeline: its transitions, what devices reported, and who was told when, in one order. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from broker.stores.incident_models import IncidentEvent, LogLine
from broker.stores.incident_states import Action, State
from broker.stores.message_models import STORM, Message
from contract.events import Phase

LINES_SHOWN = 200
NAMES_SHOWN = 3
TOGETHER_MS = 60_000
"""Messages of one step within a minute are one line: fifty people told at once are one thing that happened."""

STEP_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "0": "first",
        "1": "escalation",
        "u": "update",
        "r": "repeat",
        "t": "trouble",
        "a": "acknowledged",
        "w": "watch",
    }
)
"""What a message's step means, by the letter it begins with."""

_RANKS: Mapping[str, int] = MappingProxyType({"event": 0, "log": 1, "message": 2})


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `kind` says which of the others are meant.

    log: `what` is the action, `who` and `via` of a person, `detail` the cameras, `count` how many they are, `why` a
    closing's reason. event: `what` is the event's name, `who` reported its `phase`, `count` times up to
    `until_unix_ms`. message: `what` is sent, delivered, failed, unknown or due; `people` and how many `more`, `step`
    in a word and in `detail` as it is, `who` carried it.
    """

    time_unix_ms: int
    kind: Literal["log", "event", "message"]
    what: str
    who: str = ""
    via: str = ""
    detail: str = ""
    why: str = ""
    phase: str = ""
    count: int = 1
    until_unix_ms: int = 0
    step: str = ""
    people: tuple[str, ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened, newest first, and the messages that come next, soonest first.

    `is_cut` when older lines are left out.
    """

    lines: tuple[Line, ...]
    coming: tuple[Line, ...]
    is_cut: bool


def timeline(log: Iterable[LogLine], events: Sequence[IncidentEvent], messages: Iterable[Message]) -> Timeline:
    """Everything in one order. `events` newest first, as the store has them."""
    told = [line for one in messages for line in _of_message(one)]
    coming = [line for line in told if line.what == "due"]
    happened = [*map(_of_log, log), *_of_events(reversed(events)), *_together(one for one in told if one.what != "due")]
    happened.sort(key=lambda line: (line.time_unix_ms, _RANKS[line.kind]), reverse=True)
    soon = sorted(_together(coming), key=lambda line: line.time_unix_ms)
    return Timeline(tuple(happened[:LINES_SHOWN]), tuple(soon), len(happened) > LINES_SHOWN)


def step_word(message: Message, step: str) -> str:
    """What a step means, as the end of the texts' key."""
    if message.channel == STORM:
        return "gathered"
    if step.isdigit():
        return STEP_WORDS["0" if step == "0" else "1"]
    return STEP_WORDS.get(step[:1], "other") if step[1:].isdigit() else "other"


def _of_log(one: LogLine) -> Line:
    count = one.detail.count(",") + 1
    why = one.detail if one.action == Action.CLOSE else ""
    if one.action == Action.ACKNOWLEDGE and one.to_state == State.CLOSED and one.from_state != State.CLOSED:
        why = "acknowledged"
    detail = "" if one.action == Action.CLOSE else one.detail
    return Line(one.time_unix_ms, "log", one.action, one.who, one.via, detail, why, count=count)


def _of_events(events: Iterable[IncidentEvent]) -> Iterator[Line]:
    """Oldest first; reports of one part that only go on are one line."""
    going_on: dict[str, Line] = {}
    for one in events:
        who = f"{one.device} {one.subject}" if one.subject and one.subject != one.device else one.device
        if one.phase == Phase.ONGOING and who in going_on:
            held = going_on[who]
            going_on[who] = replace(held, count=held.count + 1, until_unix_ms=one.time_unix_ms)
            continue
        line = Line(one.time_unix_ms, "event", one.name, who, phase=one.phase or "", until_unix_ms=one.time_unix_ms)
        if one.phase == Phase.ONGOING:
            going_on[who] = line
            continue
        if one.phase is not None and who in going_on:
            yield going_on.pop(who)
        yield line
    yield from going_on.values()


def _of_message(one: Message) -> Iterator[Line]:
    """A line for each thing that is known of it and when. A cancelled one never went: the table has it."""
    step = one.message_key.rpartition(":")[2]
    word, people = step_word(one, step), (one.recipient_name,)
    line = Line(0, "message", "", one.provider or "", detail=step, step=word, people=people)
    if one.accepted_unix_ms is not None:
        yield replace(line, time_unix_ms=one.accepted_unix_ms, what="sent")
    if one.delivered_unix_ms is not None:
        yield replace(line, time_unix_ms=one.delivered_unix_ms, what="delivered")
    if one.state in {"failed", "unknown"}:
        yield replace(line, time_unix_ms=one.due_unix_ms, what=one.state)
    if one.state in {"due", "leased"}:
        yield replace(line, time_unix_ms=one.due_unix_ms, what="due")


def _together(lines: Iterable[Line]) -> Iterator[Line]:
    """The same news of several people within a minute as one line."""
    held: dict[tuple[str, str, str], Line] = {}
    for line in sorted(lines, key=lambda one: one.time_unix_ms):
        key = (line.what, line.detail, line.who)
        first = held.get(key)
        if first is None or line.time_unix_ms - first.time_unix_ms > TOGETHER_MS:
            if first is not None:
                yield _short(first)
            held[key] = line
        else:
            held[key] = replace(first, people=(*first.people, *(one for one in line.people if one not in first.people)))
    yield from map(_short, held.values())


def _short(line: Line) -> Line:
    more = max(0, len(line.people) - NAMES_SHOWN)
    return replace(line, people=line.people[:NAMES_SHOWN], more=more)
