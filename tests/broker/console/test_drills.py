"""A drill's progress: each step with its seconds, and a verdict for everything that can go wrong on the way."""

import pytest

from broker.console.drills import (
    ANSWER_WITHIN_S,
    DELIVER_WITHIN_S,
    DRILL_S,
    DRILLS_MAX,
    RECORD_WITHIN_S,
    SEND_WITHIN_S,
    Drill,
    Drills,
    Seen,
    progress,
)
from broker.console.viewing import Place
from broker.stores.incident_models import Incident
from broker.stores.messages import Message
from contract.access import DeviceIdentity
from contract.delivery import CommandReply
from contract.events import FireEvent, Phase

T = 1_795_000_000_000
PLACE = Place(DeviceIdentity("jungang", "alley-1"), "cam-1")
DRILL = Drill(PLACE, "0" * 32, T, "김관리")
STEPS = ("accepted", "seen", "confirmed", "incident", "sent", "delivered")


def reply(outcome: str = "done", reason: str = "") -> CommandReply:
    values = {"command_id": "0" * 32, "outcome": outcome, "reason": reason, "time_unix_ms": T + 200}
    return CommandReply.model_validate(values)


EVENT = FireEvent(
    epoch="0" * 16, seq=1, event_id="1" * 32, time_unix_ms=T + 6_100, phase=Phase.RAISED, zone="b", camera="cam-1",
    score=0.9, first_seen_unix_ms=T + 5_000, decided_unix_ms=T + 6_000, drill=True,
)  # fmt: skip
INCIDENT = Incident(
    1, "K7Q2", "jungang", "b", "drill", "raised", "drill", T + 6_000, T + 6_300, None, None, None, None, None, None,
    0.9, "", 1,
)  # fmt: skip


def message(
    state: str = "due", accepted: int | None = None, delivered: int | None = None, provider: str = "kannel"
) -> Message:
    return Message(
        1, "K7Q2:010:sms:0", 1, "jungang", "김관리", "010", "sms", "[훈련]", state, provider, None, 1, T + 6_300,
        T + 6_300, None, accepted, delivered, None,
    )  # fmt: skip


def at(seen: Seen, after_s: float, drill: Drill = DRILL) -> tuple[str, dict[str, str], dict[str, float | None]]:
    """The verdict, the steps' states, and their seconds."""
    found = progress(drill, seen, T + int(after_s * 1000))
    assert tuple(one.name for one in found.steps) == STEPS
    assert found.is_running == (found.verdict == "running")
    return (
        found.verdict,
        {one.name: one.state for one in found.steps},
        {one.name: one.after_s for one in found.steps},
    )


ACCEPTED = Seen(reply=reply())
CONFIRMED = Seen(reply=reply(), event=EVENT)
RECORDED = Seen(reply(), None, EVENT, INCIDENT, T + 6_300, (message(),))
SENT = Seen(reply(), None, EVENT, INCIDENT, T + 6_300, (message("accepted", T + 6_900),))


def test_the_whole_way_has_its_seconds() -> None:
    whole = Seen(reply(), None, EVENT, INCIDENT, T + 6_300, (message("delivered", T + 6_900, T + 9_400), message()))
    verdict, states, seconds = at(whole, 12)
    assert verdict == "passed"
    assert set(states.values()) == {"done"}
    assert list(seconds.values()) == [0.2, 5.0, 6.0, 6.3, 6.9, 9.4]


@pytest.mark.parametrize(
    ("seen", "waits_for"),
    [(Seen(), "accepted"), (ACCEPTED, "seen"), (CONFIRMED, "incident"), (RECORDED, "sent"), (SENT, "delivered")],
)
def test_while_it_runs_the_next_step_waits_and_later_ones_are_not_yet(seen: Seen, waits_for: str) -> None:
    verdict, states, _ = at(seen, 7)
    assert verdict == "running"
    here = STEPS.index(waits_for)
    assert list(states.values()) == ["done"] * here + ["waiting"] + ["pending"] * (len(STEPS) - here - 1)


@pytest.mark.parametrize(
    ("seen", "until_s", "verdict"),
    [
        (Seen(), ANSWER_WITHIN_S, "unanswered"),
        (ACCEPTED, DRILL_S, "unseen"),
        (Seen(reply=reply(), glimpsed_unix_ms=T + 3_000), DRILL_S, "unseen"),
        (CONFIRMED, 6 + RECORD_WITHIN_S, "unrecorded"),
        (RECORDED, 6.3 + SEND_WITHIN_S, "unsent"),
        (SENT, 6.9 + DELIVER_WITHIN_S, "no_receipt"),
    ],
)
def test_what_does_not_come_in_time_is_a_verdict_and_not_before(seen: Seen, until_s: float, verdict: str) -> None:
    assert at(seen, until_s)[0] == "running"
    found, states, _ = at(seen, until_s + 0.01)
    assert found == verdict
    assert list(states.values()).count("failed") == 1
    assert "waiting" not in states.values()


@pytest.mark.parametrize("outcome", ["refused", "expired"])
def test_a_device_that_does_not_take_the_command_says_why(outcome: str) -> None:
    found = progress(DRILL, Seen(reply=reply(outcome, "it is busy")), T + 1_000)
    assert (found.verdict, found.reason, found.steps[0].state) == (outcome, "it is busy", "failed")


def test_an_incident_without_managers_and_messages_that_go_nowhere_are_told_apart() -> None:
    assert at(Seen(reply(), None, EVENT, INCIDENT, T + 6_300, ()), 7)[0] == "nobody"
    failed = Seen(reply(), None, EVENT, INCIDENT, T + 6_300, (message("failed"),))
    assert at(failed, 7)[0] == "unsent"
    spooled = Seen(reply(), None, EVENT, INCIDENT, T + 6_300, (message("accepted", T + 6_400, provider="spool"),))
    verdict, states, _ = at(spooled, 7)
    assert (verdict, states["sent"], states["delivered"]) == ("spooled", "done", "failed")


def test_a_reply_that_was_lost_does_not_hide_a_flame_that_was_confirmed() -> None:
    verdict, states, seconds = at(Seen(event=EVENT), 7)
    assert (verdict, states["accepted"], seconds["accepted"]) == ("running", "done", 5.0)


def test_a_clock_that_runs_behind_makes_no_negative_seconds() -> None:
    early = EVENT.model_copy(update={"first_seen_unix_ms": T - 1_500})
    assert at(Seen(reply=reply(), event=early), 7)[2]["seen"] == 0.0


def test_one_that_was_ended_says_so_and_only_the_newest_of_a_camera_is_kept() -> None:
    drills = Drills()
    drills.start(DRILL)
    drills.stop(PLACE, T + 4_000)
    stopped = drills.of(PLACE)
    assert stopped is not None
    assert (stopped.ends_unix_ms, at(ACCEPTED, 4.1, stopped)[0]) == (T + 4_000, "stopped")
    drills.stop(PLACE, T + 9_000)
    assert drills.of(PLACE) == stopped, "it was over"
    again = Drill(PLACE, "1" * 32, T + 60_000, "이관리")
    drills.start(again)
    assert drills.of(PLACE) == again
    for number in range(DRILLS_MAX):
        drills.start(Drill(Place(PLACE.identity, f"c{number}"), "0" * 32, T, "x"))
    assert drills.of(PLACE) is None
