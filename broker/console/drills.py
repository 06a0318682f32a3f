"""Drills (test fires): how far one has come, from the command to the phone, and what that says of the way. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from broker.console.viewing import Place
from broker.stores.incident_models import Incident
from broker.stores.messages import Message
from contract.delivery import CommandReply
from contract.events import FireEvent

DRILL_S = 120
ANSWER_WITHIN_S = 10.0
RECORD_WITHIN_S = 15.0
SEND_WITHIN_S = 60.0
DELIVER_WITHIN_S = 120.0
DRILLS_MAX = 200
MS_PER_S = 1000.0
SPOOL = "spool"
RUNNING = "running"

StepState = Literal["done", "waiting", "failed", "pending"]


@dataclass(frozen=True, slots=True)
class Drill:
    """A drill that somebody began. `stopped_unix_ms` when they ended it before its time."""

    place: Place
    command_id: str
    started_unix_ms: int
    who: str
    stopped_unix_ms: int | None = None

    @property
    def ends_unix_ms(self) -> int:
        """When the camera takes fires for real again."""
        over = self.started_unix_ms + int(DRILL_S * MS_PER_S)
        return over if self.stopped_unix_ms is None else min(over, self.stopped_unix_ms)


class Drills:
    """The newest drill of each camera, as this process began it; at most `DRILLS_MAX`, the oldest goes."""

    def __init__(self) -> None:
        self._newest: dict[Place, Drill] = {}

    def start(self, drill: Drill) -> None:
        """A drill was begun."""
        self._newest.pop(drill.place, None)
        self._newest[drill.place] = drill
        while len(self._newest) > DRILLS_MAX:
            del self._newest[next(iter(self._newest))]

    def stop(self, place: Place, now_unix_ms: int) -> None:
        """Somebody has ended the camera's drill."""
        drill = self._newest.get(place)
        if drill is not None and drill.ends_unix_ms > now_unix_ms:
            self._newest[place] = replace(drill, stopped_unix_ms=now_unix_ms)

    def of(self, place: Place) -> Drill | None:
        """The camera's newest drill."""
        return self._newest.get(place)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a drill. `glimpsed_unix_ms`: when the camera's own readings first spoke of a flame."""

    reply: CommandReply | None = None
    glimpsed_unix_ms: int | None = None
    event: FireEvent | None = None
    incident: Incident | None = None
    recorded_unix_ms: int | None = None
    messages: Sequence[Message] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way. `after_s` counts from the command."""

    name: str
    state: StepState
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """The steps, and the verdict's key in the texts; `is_running` while there is none yet."""

    steps: tuple[Step, ...]
    verdict: str
    total_s: float | None
    is_running: bool
    reason: str = ""


def progress(drill: Drill, seen: Seen, now_unix_ms: int) -> Progress:
    """How far the drill has come."""
    times = _times(seen)
    verdict = _verdict(drill, seen, times, now_unix_ms)
    steps: list[Step] = []
    reached = True
    for name, unix_ms in times.items():
        after_s = None if unix_ms is None else max(0.0, (unix_ms - drill.started_unix_ms) / MS_PER_S)
        state: StepState = "done" if after_s is not None else "pending"
        if after_s is None and reached:
            reached = False
            state = "waiting" if verdict == RUNNING else "failed"
        steps.append(Step(name, state, after_s))
    last = [one.after_s for one in steps if one.after_s is not None]
    reason = seen.reply.reason if seen.reply is not None and seen.reply.outcome != "done" else ""
    return Progress(tuple(steps), verdict, last[-1] if last else None, verdict == RUNNING, reason)


def _times(seen: Seen) -> dict[str, int | None]:
    messages, event = seen.messages, seen.event
    first_seen = None if event is None else event.first_seen_unix_ms
    accepted = seen.reply.time_unix_ms if seen.reply is not None and seen.reply.outcome == "done" else None
    return {
        # a camera that confirms a drill has accepted the command, whether or not its word arrived
        "accepted": first_seen if accepted is None else accepted,
        "seen": seen.glimpsed_unix_ms if first_seen is None else first_seen,
        "confirmed": None if event is None else event.decided_unix_ms,
        "incident": seen.recorded_unix_ms,
        "sent": _first(one.accepted_unix_ms for one in messages),
        "delivered": _first(one.delivered_unix_ms for one in messages),
    }


def _verdict(drill: Drill, seen: Seen, times: Mapping[str, int | None], now_unix_ms: int) -> str:
    """The key of what can be said now; `running` while nothing can."""
    if times["delivered"] is not None:
        return "passed"
    if times["sent"] is not None:
        spooled = all(one.provider == SPOOL for one in seen.messages if one.accepted_unix_ms is not None)
        return "spooled" if spooled else _late("no_receipt", times["sent"], DELIVER_WITHIN_S, now_unix_ms)
    if times["incident"] is not None:
        return _untold(seen.messages, times["incident"], now_unix_ms)
    if times["confirmed"] is not None:
        return _late("unrecorded", times["confirmed"], RECORD_WITHIN_S, now_unix_ms)
    return _unconfirmed(drill, seen, now_unix_ms)


def _untold(messages: Sequence[Message], recorded_unix_ms: int, now_unix_ms: int) -> str:
    if not messages:
        return "nobody"
    lost = all(one.state in {"failed", "unknown", "cancelled"} for one in messages)
    return "unsent" if lost else _late("unsent", recorded_unix_ms, SEND_WITHIN_S, now_unix_ms)


def _unconfirmed(drill: Drill, seen: Seen, now_unix_ms: int) -> str:
    if seen.reply is not None and seen.reply.outcome != "done":
        return seen.reply.outcome
    if now_unix_ms > drill.ends_unix_ms:
        return "stopped" if drill.stopped_unix_ms is not None else "unseen"
    if seen.reply is None and seen.glimpsed_unix_ms is None:
        return _late("unanswered", drill.started_unix_ms, ANSWER_WITHIN_S, now_unix_ms)
    return RUNNING


def _late(verdict: str, since_unix_ms: int, within_s: float, now_unix_ms: int) -> str:
    return verdict if now_unix_ms - since_unix_ms > within_s * MS_PER_S else RUNNING


def _first(times: Iterable[int | None]) -> int | None:
    return min((one for one in times if one is not None), default=None)
