"""The timeline of an incident: the store's words, devices' reports and messages as one story."""

import re
from dataclasses import replace

import pytest

from broker.console.incident_timeline import LINES_SHOWN, Line, step_word, timeline
from broker.stores.database import transaction
from broker.stores.incident_models import IncidentEvent, LogLine, Sighting
from broker.stores.incidents import Incidents
from broker.stores.message_models import Message, NewMessage
from broker.stores.messages import Messages
from contract.events import Phase
from tests.broker.console.conftest import EPOCH, NOW, Bench

T = 1_795_000_000_000


def event(offset_s: int, phase: str | None = "ongoing", *, subject: str = "cam-1", name: str = "fire") -> IncidentEvent:
    return IncidentEvent(
        "jungang", "pi-1", EPOCH, offset_s + 1, subject, "a" * 32, name, phase, T + offset_s * 1000, ""
    )


def log(
    offset_s: int, action: str, there: str, *, here: str | None = "raised", detail: str = "", who: str = ""
) -> LogLine:
    return LogLine(T + offset_s * 1000, here, there, action, who, "link" if who else "", detail)


def message(name: str, step: str, state: str = "due", *, due_s: int = 0, **changes: int | str) -> Message:
    one = Message(
        message_id=1,
        message_key=f"K7Q2:010{name}:sms:{step}",
        incident_id=1,
        market="jungang",
        recipient_name=name,
        recipient=f"010{name}",
        channel="sms",
        text="[화재]",
        state=state,
        provider="kannel",
        provider_reference=None,
        attempts=0,
        created_unix_ms=T,
        due_unix_ms=T + due_s * 1000,
        lease_until_unix_ms=None,
        accepted_unix_ms=None,
        delivered_unix_ms=None,
        error=None,
    )
    return replace(one, **changes)  # type: ignore[arg-type]  # each test changes one of the fields


def test_everything_is_in_one_order_newest_first() -> None:
    told = message("가", "0", "delivered", accepted_unix_ms=T + 3_000, delivered_unix_ms=T + 5_000)
    found = timeline(
        [log(2, "raise", "raised", here=None, detail="cam-1"), log(9, "acknowledge", "acknowledged", who="가")],
        [event(7, None, name="still"), event(0, "raised")],
        [told],
    )
    assert [(line.kind, line.what) for line in found.lines] == [
        ("log", "acknowledge"),
        ("event", "still"),
        ("message", "delivered"),
        ("message", "sent"),
        ("log", "raise"),
        ("event", "fire"),
    ]
    assert (found.coming, found.is_cut) == ((), False)


def test_reports_that_only_go_on_are_one_line_for_each_camera() -> None:
    events = [
        event(0, "raised"),
        event(1),
        event(2, subject="cam-2"),
        event(3),
        event(4),
        event(5, "cleared"),
        event(6),
    ]
    found = timeline([], list(reversed(events)), [])
    assert [(line.who, line.phase, line.count, line.until_unix_ms - T) for line in reversed(found.lines)] == [
        ("pi-1 cam-1", "raised", 1, 0),
        ("pi-1 cam-1", "ongoing", 3, 4_000),
        ("pi-1 cam-2", "ongoing", 1, 2_000),
        ("pi-1 cam-1", "cleared", 1, 5_000),
        ("pi-1 cam-1", "ongoing", 1, 6_000),
    ]


def test_people_who_are_told_together_are_one_line_and_others_are_not() -> None:
    told = [message(f"{n}", "0", "accepted", accepted_unix_ms=T + n) for n in range(5)]
    late = message("늦", "0", "accepted", accepted_unix_ms=T + 61_000)
    other = message("다", "0", "accepted", accepted_unix_ms=T + 10, provider="twilio")
    found = timeline([], [], [*told, late, other])
    assert [(line.people, line.more, line.who) for line in reversed(found.lines)] == [
        (("0", "1", "2"), 2, "kannel"),
        (("다",), 0, "twilio"),
        (("늦",), 0, "kannel"),
    ]


def test_what_is_still_to_come_stands_apart_and_what_was_cancelled_nowhere() -> None:
    rows = [
        message("상", "2", due_s=120),
        message("부", "1", due_s=60),
        message("가", "0", "cancelled"),
        message("나", "0", "failed", due_s=30),
        message("다", "0", "leased"),
    ]
    found = timeline([], [], rows)
    assert [(line.people, line.step) for line in found.coming] == [
        (("다",), "first"),
        (("부",), "escalation"),
        (("상",), "escalation"),
    ]
    assert [(line.what, line.people) for line in found.lines] == [("failed", ("나",))]


def test_a_long_story_is_cut_at_its_beginning_and_says_so() -> None:
    rows = [log(second, "reopen", "raised") for second in range(LINES_SHOWN + 1)]
    found = timeline(rows, [], [])
    assert (len(found.lines), found.is_cut) == (LINES_SHOWN, True)
    assert found.lines[-1].time_unix_ms == T + 1_000


@pytest.mark.parametrize(
    ("step", "word"),
    [
        ("0", "first"),
        ("2", "escalation"),
        ("u7", "update"),
        ("r1", "repeat"),
        ("t0", "trouble"),
        ("a0", "acknowledged"),
        ("w0", "watch"),
        ("ok-0123456789ab", "other"),
    ],
)
def test_steps_are_worded(step: str, word: str) -> None:
    assert step_word(message("가", step), step) == word
    assert step_word(message("가", step, channel="storm"), step) == "gathered"


def test_a_closing_says_why_and_an_acknowledgement_that_closes_too() -> None:
    found = timeline(
        [
            log(1, "close", "closed", here="cleared", detail="window"),
            log(2, "acknowledge", "closed", here="cleared", who="가"),
            log(3, "acknowledge", "closed", here="closed", who="나"),
            log(4, "repeat", "raised", detail="cam-1, cam-2, cam-3"),
        ],
        [],
        [],
    )
    assert [(line.what, line.why, line.count) for line in reversed(found.lines)] == [
        ("close", "window", 1),
        ("acknowledge", "acknowledged", 1),
        ("acknowledge", "", 1),
        ("repeat", "", 3),
    ]
    assert all(isinstance(line, Line) for line in found.lines)


async def read(bench: Bench, path: str, language: str = "en") -> str:
    async with bench.browser() as browser:
        answer = await browser.get(path, params={"lang": language})
        assert answer.status_code == 200
        return answer.text


def seen(bench: Bench, seq: int, phase: Phase, *, camera: str = "cam-1", level: str = "alarm") -> Sighting:
    return Sighting(
        "jungang", "alley-1", EPOCH, seq, f"{camera:0>32}".replace("-", "0"), "fire", phase, bench.clock.unix_ms(), "b",
        "fire", "fire", camera, "fire", score=0.9, level=level,
    )  # fmt: skip


async def test_an_incidents_page_tells_its_whole_story(bench: Bench) -> None:
    store, messages = Incidents(bench.engine, bench.clock), Messages(bench.engine, bench.clock)
    rows = (
        NewMessage("0", "김상인", "01012345678", "[화재] https://alrt.kr/a/0123456789ab", NOW),
        NewMessage("1", "박부장", "01022220001", "[화재 미확인]", NOW + 60_000),
    )
    (change,) = store.record([seen(bench, 1, Phase.RAISED)], lambda _change: rows)
    assert change.incident is not None
    here = change.incident.incident_id
    path = f"/markets/jungang/incidents/{here}"
    (claimed,) = messages.claim(5)
    messages.accepted(claimed.message_id, "kannel", "x")
    bench.clock.advance(2)
    messages.delivered(claimed.message_id, "kannel")
    store.record([seen(bench, 2, Phase.RAISED, camera="cam-2")], lambda _change: ())
    page = await read(bench, path)
    assert re.search(r"Messages that come next.*?escalation: nobody had acknowledged: 박부장", page, re.DOTALL)
    assert "confirmed by 2 cameras" in page
    assert re.search(r"Delivered to 김상인.*?Accepted for 김상인.*?Incident raised", page, re.DOTALL)
    assert "0123456789ab" not in page, "whoever looks here must not be able to press the link"
    store.acknowledge(here, "김상인", "link")
    bench.clock.advance(5)
    for seq, camera in ((3, "cam-1"), (4, "cam-2")):
        store.record([seen(bench, seq, Phase.CLEARED, camera=camera)], lambda _change: ())
    bench.clock.advance(301)
    assert store.close_over() == 1
    page = await read(bench, path)
    assert re.search(
        r"Closed: it was not reported again.*?Nobody reports it any more.*?김상인 acknowledged.*?by the link",
        page,
        re.DOTALL,
    )
    assert "Messages that come next" not in page
    assert f"/incidents/{here}/acknowledge" not in page
    assert "마감" in await read(bench, path, "ko")
    listed = await read(bench, "/markets/jungang")
    assert "confirmed by 2 cameras" in listed


async def test_a_watch_is_shown_as_one_and_no_alarm_is_rung(bench: Bench) -> None:
    Incidents(bench.engine, bench.clock).record([seen(bench, 1, Phase.RAISED, level="watch")], lambda _change: ())
    for path in ("/markets/jungang", "/"):
        page = await read(bench, path)
        assert 'class="alarm"' not in page
        assert "card--fire" not in page
    assert "Watch: not taken for fire yet" in await read(bench, "/markets/jungang")


async def test_a_fire_that_is_over_and_that_nobody_acknowledged_says_so_and_can_be(bench: Bench) -> None:
    store = Incidents(bench.engine, bench.clock)
    store.record([seen(bench, 1, Phase.RAISED), seen(bench, 2, Phase.CLEARED)], lambda _change: ())
    (found,) = (await bench.api.get("/api/v1/markets/jungang/incidents")).json()
    assert (found["state"], found["is_active"], found["level"]) == ("cleared", False, "alarm")
    page = await read(bench, "/markets/jungang")
    assert "nobody has acknowledged it" in page
    assert re.search(r"Active incidents.*?<b>0</b>.*?1 not acknowledged", page, re.DOTALL)
    answer = await bench.api.post(f"/api/v1/incidents/{found['id']}/acknowledge")
    assert (answer.json()["state"], answer.json()["acknowledged_via"]) == ("closed", "console")
    assert "nobody has acknowledged it" not in await read(bench, "/markets/jungang")


async def test_a_migrated_incident_without_a_log_is_shown(bench: Bench) -> None:
    here = bench.fire()
    with transaction(bench.engine) as connection:
        connection.exec_driver_sql("DELETE FROM incident_log")
    assert "What happened" in await read(bench, f"/markets/jungang/incidents/{here}")
