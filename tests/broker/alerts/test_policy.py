"""Who is told what, when: policies, roles, channels, languages, quiet hours, and what people learn afterwards."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from broker.alerts.policy import Composer, Composers, load_rosters, trouble_kind
from broker.stores.acknowledge_tokens import LinkToken
from broker.stores.incident_models import Change, Effect, Incident, Sighting, Told
from broker.stores.incidents import Incidents
from broker.stores.messages import Message, Messages
from broker.stores.policies import Policies
from broker.stores.policy_models import Policy, Step
from broker.stores.registry import Recipient, Registry
from contract.events import Phase
from contract.ids import ID_LENGTH_MAX, check_id
from runtime.clock import ManualClock
from tests.broker.alerts.central import (
    DEPUTY,
    DEVICE,
    MANAGER,
    MARKET,
    MERCHANT,
    NOW_UNIX_MS,
    SECOND_MANAGER,
    composer,
    enrol,
    sighting,
)

NIGHT_UNIX_MS = NOW_UNIX_MS + int(timedelta(hours=4).total_seconds() * 1000)  # six minutes past midnight in Korea
MORNING_UNIX_MS = NOW_UNIX_MS - 400_000 + int(timedelta(hours=11).total_seconds() * 1000)  # seven o'clock
SMS_TO_ALL = Step(after_s=0, roles=("manager", "deputy", "merchant"))


def found(engine: Engine, clock: ManualClock) -> tuple[Message, ...]:
    return tuple(reversed(Messages(engine, clock).newest(MARKET)))


def step_of(message: Message) -> str:
    return message.message_key.rsplit(":", 1)[1]


def told(engine: Engine, clock: ManualClock) -> dict[str, tuple[str, str]]:
    """Recipient to (step, first word) of everything that was written."""
    return {one.recipient: (step_of(one), one.text.split("]")[0] + "]") for one in found(engine, clock)}


def trouble(part: str = "camera", subject: str = "cam-1", reason: str = "frozen", number: int = 1) -> Sighting:
    seen = sighting(number)
    kind = trouble_kind(part, subject, DEVICE)
    return replace(
        seen, kind=kind, severity="trouble", name="trouble", part=part, subject=subject, reason=reason, detail=reason
    )


def record(
    engine: Engine, clock: ManualClock, seen: Sighting, composers: Composers | None = None
) -> tuple[Change, tuple[Message, ...]]:
    compose = (composers or Composers(engine, clock))({MARKET})
    (change,) = Incidents(engine, clock).record([seen], compose)
    return change, found(engine, clock)


def test_each_step_has_its_people_and_later_steps_say_that_nobody_answered(engine: Engine, clock: ManualClock) -> None:
    Incidents(engine, clock).record([sighting()], composer(engine, clock))
    words = told(engine, clock)
    assert words[MANAGER] == words[SECOND_MANAGER] == ("0", "[화재]")
    assert words[DEPUTY] == ("1", "[화재 미확인]")
    assert words[MERCHANT] == ("2", "[화재 미확인]")
    assert [(one.due_unix_ms - NOW_UNIX_MS) // 1000 for one in found(engine, clock)] == [0, 0, 60, 120]


def test_without_managers_everybody_is_told_at_once(engine: Engine, clock: ManualClock) -> None:
    enrol(engine, recipients=(Recipient("박", DEPUTY, "deputy"), Recipient("최", MANAGER, "merchant")))
    Incidents(engine, clock).record([sighting()], composer(engine, clock))
    assert told(engine, clock) == {DEPUTY: ("0", "[화재]"), MANAGER: ("0", "[화재]")}


def test_without_anybody_the_incident_is_there_all_the_same(engine: Engine, clock: ManualClock) -> None:
    enrol(engine, recipients=())
    (change,) = Incidents(engine, clock).record([sighting()], composer(engine, clock))
    assert change.messages_due == 0
    assert change.incident is not None
    assert (change.incident.market, change.incident.kind) == (MARKET, "fire")


@pytest.mark.parametrize(
    ("part", "sent"),
    [
        *((part, 2) for part in ("camera", "siren", "device-offline", "undeliverable", "canary", "balance", "disk")),
        ("rule", 2),
        *((part, 0) for part in ("part-stalled", "path-stalled")),
        *((part, 0) for part in ("bay", "gate", "people", "screen", "parking-overstay", "clock", "component")),
    ],
)
def test_by_default_managers_hear_of_what_matters_to_the_safety_of_the_market(
    engine: Engine, clock: ManualClock, part: str, sent: int
) -> None:
    change, _ = record(engine, clock, trouble(part, "x"))
    assert change.messages_due == sent
    assert {step for step, _ in told(engine, clock).values()} == ({"t0"} if sent else set())


def test_a_market_that_the_registry_does_not_know_still_has_its_incident(engine: Engine, clock: ManualClock) -> None:
    (change,) = Incidents(engine, clock).record([sighting()], Composer({}, NOW_UNIX_MS))
    assert change.incident is not None
    assert (change.incident.market, change.incident.kind) == (MARKET, "fire")


def test_rosters_have_the_names_for_people(engine: Engine) -> None:
    names = load_rosters(Registry(engine), {MARKET})[MARKET].names
    assert (names.of_market("ko"), names.of_zone("b", "ko"), names.of_zone("new", "ko")) == (
        "중앙시장",
        "B구역",
        "new구역",
    )
    assert (names.of_market("ja"), names.of_zone("b", "en"), names.of_zone("new", "en")) == (
        "Jungang Market",
        "Zone B",
        "zone new",
    )


def test_clearing_sends_nothing(engine: Engine, clock: ManualClock) -> None:
    seen = [sighting(1), sighting(1, Phase.CLEARED, unix_ms=NOW_UNIX_MS + 1000)]
    changes = Incidents(engine, clock).record(seen, composer(engine, clock))
    assert [one.messages_due for one in changes] == [4, 0]


def test_two_long_subjects_stay_two_kinds() -> None:
    first, second = (trouble_kind("bay", "x" * 60 + tail, DEVICE) for tail in ("aaa", "bbb"))
    assert first != second
    assert trouble_kind("bay", "a-01", DEVICE) == "bay-a-01"
    assert trouble_kind("component", "session", "fire-2") == "component-fire-2-session"
    for kind in (first, second):
        assert len(kind) <= ID_LENGTH_MAX
        check_id(kind, "kind")


def test_a_policy_that_was_saved_counts_from_the_next_alarm_on(engine: Engine, clock: ManualClock) -> None:
    steps = (Step(after_s=0, roles=("merchant",)), Step(after_s=30, roles=("merchant", "deputy")))
    Policies(engine, clock).save(MARKET, "fire", Policy(steps=steps, quiet_hours="ignores"), "kim")
    _, rows = record(engine, clock, sighting())
    assert [(one.recipient, step_of(one), (one.due_unix_ms - NOW_UNIX_MS) // 1000) for one in rows] == [
        (MERCHANT, "0", 0),
        (DEPUTY, "1", 30),
        (MERCHANT, "1", 30),
    ]


def test_a_trouble_may_escalate_too(engine: Engine, clock: ManualClock) -> None:
    steps = (Step(after_s=0, roles=("manager",)), Step(after_s=600, roles=("deputy",)))
    Policies(engine, clock).save(MARKET, "sensor", Policy(steps=steps), "kim")
    _, rows = record(engine, clock, trouble("bay", "a-01", "no-echo"))
    assert [(step_of(one), one.text.split("]")[0]) for one in rows] == [
        ("t0", "[장애"),
        ("t0", "[장애"),
        ("t1", "[장애 미확인"),
    ]
    assert "주차면 a-01 응답 없음" in rows[0].text


def test_channels_beside_sms_have_one_message_each_where_somebody_is_configured(
    engine: Engine, clock: ManualClock
) -> None:
    step = Step(after_s=0, roles=("manager",), channels=("sms", "webhook", "apprise"))
    only = Step(after_s=5, roles=("deputy",), channels=("apprise",))
    Policies(engine, clock).save(MARKET, "camera", Policy(steps=(step, only)), "kim")
    _, rows = record(engine, clock, trouble(), Composers(engine, clock, channels=frozenset({"sms", "webhook"})))
    assert [(one.channel, one.recipient, step_of(one)) for one in rows] == [
        ("sms", MANAGER, "t0"),
        ("sms", SECOND_MANAGER, "t0"),
        ("webhook", "webhook", "t0"),
        ("sms", DEPUTY, "t1"),  # nobody carries apprise: told by SMS rather than not
    ]


def test_everybody_reads_their_own_language(engine: Engine, clock: ManualClock) -> None:
    people = tuple(
        Recipient(language, f"0101111000{number}", language=language)
        for number, language in enumerate(("ko", "en", "zh", "ja"))
    )
    enrol(engine, recipients=people)
    _, rows = record(engine, clock, sighting(), Composers(engine, clock, unicode=True))
    assert [one.text.split("]")[0] for one in rows] == ["[화재", "[FIRE", "[火灾", "[火災"]
    assert "중앙시장 B구역" in rows[0].text
    assert all("Jungang Market Zone B cam-1" in one.text for one in rows[1:])


def test_without_a_notifier_for_their_letters_people_read_english(engine: Engine, clock: ManualClock) -> None:
    enrol(engine, recipients=(Recipient("王", MANAGER, language="zh"), Recipient("田", DEPUTY, language="ja")))
    _, rows = record(engine, clock, sighting())
    assert {one.text.split("]")[0] for one in rows} == {"[FIRE"}


def test_a_kind_may_be_told_in_fewer_languages_and_with_what_to_do(engine: Engine, clock: ManualClock) -> None:
    enrol(engine, recipients=(Recipient("김", MANAGER), Recipient("Lee", DEPUTY, "manager", "en")))
    policy = Policy(
        steps=(SMS_TO_ALL,), quiet_hours="ignores", languages=("ko",), notes={"ko": "119에 신고하고 대피하세요"}
    )
    Policies(engine, clock).save(MARKET, "fire", policy, "kim")
    _, rows = record(engine, clock, sighting())
    code = rows[0].message_key.split(":")[0]
    assert {one.text for one in rows} == {
        f"[화재] 중앙시장 B구역 cam-1 화염감지 20:06 확인코드 {code} 119에 신고하고 대피하세요"
    }


def test_quiet_hours_hold_what_may_wait_and_never_a_fire(engine: Engine, clock: ManualClock) -> None:
    sleeper = Recipient("김", MANAGER, quiet_from_minute=22 * 60, quiet_to_minute=7 * 60)
    enrol(engine, recipients=(sleeper, Recipient("이", SECOND_MANAGER)))
    clock.advance((NIGHT_UNIX_MS - NOW_UNIX_MS) / 1000)
    _, rows = record(engine, clock, replace(trouble("rule", "x"), time_unix_ms=NIGHT_UNIX_MS))
    assert {one.recipient: one.due_unix_ms for one in rows} == {
        MANAGER: MORNING_UNIX_MS,
        SECOND_MANAGER: NIGHT_UNIX_MS,
    }
    for seen in (sighting(2, unix_ms=NIGHT_UNIX_MS), replace(trouble(number=3), time_unix_ms=NIGHT_UNIX_MS)):
        change, rows = record(engine, clock, seen)
        assert change.incident is not None
        mine = [one for one in rows if one.incident_id == change.incident.incident_id]
        assert {one.due_unix_ms for one in mine} == {NIGHT_UNIX_MS}


def test_a_watch_tells_nobody_and_its_rising_tells_everybody(engine: Engine, clock: ManualClock) -> None:
    change, rows = record(engine, clock, replace(sighting(), level="watch"))
    assert (change.effect, rows) == (Effect.OPENED, ())
    change, rows = record(engine, clock, sighting(1, Phase.ONGOING, unix_ms=NOW_UNIX_MS + 1000))
    assert change.effect is Effect.ROSE
    assert [step_of(one) for one in rows] == ["0", "0", "1", "2"]


def test_a_fire_that_comes_back_is_an_update_to_those_of_the_first_step(engine: Engine, clock: ManualClock) -> None:
    for number, (phase, after_ms) in enumerate(((Phase.RAISED, 0), (Phase.CLEARED, 1000))):
        record(engine, clock, sighting(1, phase, unix_ms=NOW_UNIX_MS + after_ms, seq=500 + number))
    change, rows = record(engine, clock, sighting(2, unix_ms=NOW_UNIX_MS + 2000))
    assert change.effect is Effect.REOPENED
    assert [(one.recipient, one.text.split("]")[0]) for one in rows if step_of(one).startswith("u")] == [
        (MANAGER, "[화재 재감지"),
        (SECOND_MANAGER, "[화재 재감지"),
    ]


def test_a_second_camera_that_sees_it_is_said_once(engine: Engine, clock: ManualClock) -> None:
    record(engine, clock, sighting())
    for number, camera in enumerate(("cam-2", "cam-3"), 2):
        change, rows = record(engine, clock, sighting(number, device="fire-2", camera=camera))
        assert change.effect is Effect.CONFIRMED
    updates = [one for one in rows if step_of(one).startswith("u")]
    assert {one.recipient for one in updates} == {MANAGER, SECOND_MANAGER}
    assert len(updates) == 2
    assert "카메라 2대 감지" in updates[0].text


def test_a_link_goes_with_every_sms_and_is_the_recipients_own(engine: Engine, clock: ManualClock) -> None:
    def link(incident: Incident, person: Recipient) -> LinkToken:
        return LinkToken(f"https://alrt.kr/a/{person.phone[-4:]}{incident.code}abcd", person.phone * 5, NOW_UNIX_MS)

    _, rows = record(engine, clock, sighting(), Composers(engine, clock, link=link))
    assert len(rows) == 4
    for one in rows:
        code = one.message_key.split(":")[0]
        assert one.text.endswith(f" {code} https://alrt.kr/a/{one.recipient[-4:]}{code}abcd")


def test_everybody_who_was_told_learns_who_takes_care(engine: Engine, clock: ManualClock) -> None:
    change, _ = record(engine, clock, sighting())
    assert change.incident is not None
    taken = replace(change.incident, acknowledged_unix_ms=NOW_UNIX_MS + 60_000, acknowledged_by="김관리")
    past = Told("나간 사람", "01099990000", "sms")
    heard = (
        Told("김관리", MANAGER, "sms"),
        Told("이관리", SECOND_MANAGER, "sms"),
        past,
        Told("webhook", "webhook", "webhook"),
    )
    rows = Composers(engine, clock)({MARKET}).acknowledged(taken, "김관리", heard)
    assert [(one.recipient, one.channel, one.step, one.capped) for one in rows] == [
        (SECOND_MANAGER, "sms", "a0", True),
        ("01099990000", "sms", "a0", True),
        ("webhook", "webhook", "a0", True),
    ]
    assert rows[0].text == f"[확인] 중앙시장 B구역 화재 {taken.code} 김관리 확인 20:07"


def test_whoever_heard_of_it_by_a_summary_learns_it_too(engine: Engine, clock: ManualClock) -> None:
    change, _ = record(engine, clock, sighting())
    assert change.incident is not None
    taken = replace(change.incident, acknowledged_unix_ms=NOW_UNIX_MS + 70_000, acknowledged_by="이관리")
    rows = Composers(engine, clock)({MARKET}).acknowledged(taken, "이관리", [Told("storm", "storm", "storm")])
    assert [one.recipient for one in rows] == [MANAGER, DEPUTY], "merchants had not been told yet"
