"""Replies: whose counts, what of a text is a code, each taken once, and what is answered."""

from dataclasses import dataclass, field, replace

import pytest
from sqlalchemy import Engine, select

from broker.alerts.counters import Counters
from broker.alerts.ports import Reply
from broker.alerts.replies import DUPLICATE, FUTILE_PER_HOUR_MAX, ReplyDesk, codes_in
from broker.alerts.reply_texts import ANSWERS, UNICODE, answer_text
from broker.stores.audit import Audit
from broker.stores.carrier import SMS_BYTES_MAX, carrier_bytes, ucs2_units
from broker.stores.database import StoreUnavailableError
from broker.stores.incident_models import Incident
from broker.stores.incidents import Incidents
from broker.stores.messages import Messages
from broker.stores.registry import MarketEntry, Named, Recipient, Registry
from broker.stores.replies import Replies
from broker.stores.schema import replies
from contract.events import Phase
from runtime.clock import ManualClock
from tests.broker.alerts.central import DEPUTY, MANAGER, sighting

STRANGER, ELSEWHERE = "01099998888", "01044440001"
UCS2_UNITS_MAX = 70


@dataclass
class Desk:
    engine: Engine
    clock: ManualClock
    woken: int = 0
    number: int = 0
    counters: Counters = field(default_factory=Counters)

    def __post_init__(self) -> None:
        self.incidents = Incidents(self.engine, self.clock)
        self.audit = Audit(self.engine, self.clock)
        self.desk = ReplyDesk(
            self.incidents, Replies(self.engine, self.clock), self.audit, self._wake, self.counters, unicode=True
        )

    def _wake(self) -> None:
        self.woken += 1

    def fire(self, number: int = 1, zone: str = "b") -> Incident:
        (change,) = self.incidents.record([sighting(number, zone=zone)], lambda _change: ())
        assert change.incident is not None
        return change.incident

    def reply(self, sender: str, text: str, reference: str | None = None) -> str:
        self.number += 1
        return self.desk.take("kannel", Reply(reference or f"r-{self.number}", sender, text))

    def answers(self) -> list[tuple[str, str]]:
        return [(one.recipient, one.text) for one in reversed(Messages(self.engine, self.clock).newest())]

    def kept(self) -> list[tuple[str, str, str]]:
        with self.engine.connect() as connection:
            rows = connection.execute(select(replies).order_by(replies.c.received_unix_ms, replies.c.reference))
            return [(row.sender, row.text, row.outcome) for row in rows]


@pytest.fixture
def desk(engine: Engine, clock: ManualClock) -> Desk:
    far = (Recipient("먼사람", ELSEWHERE),)
    Registry(engine).enrol(MarketEntry(Named("seomun", "서문시장", "Seomun Market"), recipients=far))
    return Desk(engine, clock)


def test_a_reply_with_the_code_acknowledges_and_is_answered(desk: Desk) -> None:
    fire = desk.fire()
    assert desk.reply("+82-10-1111-0001", f"확인 {fire.code.lower()}") == "acknowledged"
    now = desk.incidents.get(fire.incident_id)
    assert (now.acknowledged_by, now.acknowledged_via) == ("김관리", "reply")
    assert desk.answers() == [(MANAGER, f"[장터] {fire.code} 확인했습니다. 다른 분들께 알립니다.")]
    assert desk.kept() == [(MANAGER, f"확인 {fire.code.lower()}", "acknowledged")]
    assert desk.woken == 1
    (row,) = desk.audit.newest()
    assert (row.who, row.action, row.detail) == ("김관리", "incident.acknowledge", "reply")


def test_the_same_reply_told_twice_is_one(desk: Desk) -> None:
    fire = desk.fire()
    said = [desk.reply(MANAGER, fire.code, "same"), desk.reply(MANAGER, fire.code, "same")]
    assert said == ["acknowledged", DUPLICATE]
    assert desk.desk.take("solapi", Reply("same", MANAGER, fire.code)) == "already", (
        "another provider counts for itself"
    )
    assert [recipient for recipient, _ in desk.answers()] == [MANAGER, MANAGER]


def test_a_reply_that_is_told_again_does_not_stand_for_what_has_risen_since(desk: Desk) -> None:
    watch = replace(sighting(1), level="watch")
    (change,) = desk.incidents.record([watch], lambda _change: ())
    assert change.incident is not None
    code = change.incident.code
    assert desk.reply(MANAGER, code, "first") == "acknowledged"
    desk.incidents.record([sighting(1, Phase.ONGOING, unix_ms=desk.clock.unix_ms() + 1)], lambda _change: ())
    assert desk.incidents.get(change.incident.incident_id).acknowledged_unix_ms is None, "it has become an alarm"
    assert desk.reply(MANAGER, code, "first") == DUPLICATE
    assert desk.incidents.get(change.incident.incident_id).acknowledged_unix_ms is None


def test_whoever_is_late_hears_who_was_first(desk: Desk) -> None:
    fire = desk.fire()
    desk.reply(MANAGER, fire.code)
    assert desk.reply(DEPUTY, fire.code) == "already"
    assert desk.answers()[-1] == (DEPUTY, f"[장터] {fire.code} 이미 20:06 김관리 확인했습니다.")
    assert desk.incidents.get(fire.incident_id).acknowledged_by == "김관리"


@pytest.mark.parametrize(
    ("sender", "outcome"),
    [
        (STRANGER, "unknown-sender"),
        ("119", "unknown-sender"),
        ("Kannel'; DROP TABLE replies", "unknown-sender"),
        ("", "unknown-sender"),
        (ELSEWHERE, "unknown-code"),
    ],
)
def test_a_stranger_and_another_market_s_manager_acknowledge_nothing(desk: Desk, sender: str, outcome: str) -> None:
    fire = desk.fire()
    assert desk.reply(sender, fire.code) == outcome
    assert desk.incidents.get(fire.incident_id).acknowledged_unix_ms is None
    answered = [recipient for recipient, _ in desk.answers()]
    assert answered == ([ELSEWHERE] if sender == ELSEWHERE else []), "a stranger does not make us send"
    assert desk.audit.newest()[0].action == "acknowledge.refused"
    assert fire.code not in str(desk.answers()), "nor does anybody learn another market's codes"


def test_what_has_no_code_is_answered_with_those_that_are_open(desk: Desk) -> None:
    first, second = desk.fire(1), desk.fire(2, zone="a")
    assert desk.reply(MANAGER, "확인했습니다") == "unknown-code"
    assert desk.answers() == [(MANAGER, f"[장터] 확인 안 됨. 코드 네 글자만 답장하세요: {second.code} {first.code}")]
    desk.reply(MANAGER, f"{first.code} {second.code}")
    assert desk.answers()[-1][1] == f"[장터] {first.code} {second.code} 확인했습니다. 다른 분들께 알립니다."
    desk.reply(MANAGER, "또 확인")
    assert desk.answers()[-1][1] == "[장터] 확인 안 됨. 지금 확인할 사건이 없습니다."


def test_whoever_texts_on_and_on_is_answered_a_few_times_an_hour_and_still_acknowledges(desk: Desk) -> None:
    fire = desk.fire()
    said = [desk.reply(MANAGER, "???") for _ in range(FUTILE_PER_HOUR_MAX + 2)]
    assert said == ["unknown-code"] * FUTILE_PER_HOUR_MAX + ["limited"] * 2
    assert len(desk.answers()) == FUTILE_PER_HOUR_MAX
    assert desk.reply(MANAGER, fire.code) == "acknowledged"
    assert desk.reply(MANAGER, fire.code) == "limited"
    desk.clock.advance(3601)
    assert desk.reply(MANAGER, fire.code) == "already"


def test_an_answer_outlives_the_acknowledgement_that_cancels_what_is_due(desk: Desk) -> None:
    fire = desk.fire()
    desk.reply(MANAGER, fire.code)
    messages = Messages(desk.engine, desk.clock)
    (answer,) = messages.claim(10)
    assert answer.incident_id == fire.incident_id
    messages.retry(answer, desk.clock.unix_ms(), "the provider is away")
    assert [one.state for one in messages.newest()] == ["due"]


def test_nothing_is_kept_while_the_store_is_away_and_the_reply_counts_when_it_comes_again(desk: Desk) -> None:
    fire = desk.fire()
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE messages RENAME TO away")
    with pytest.raises(StoreUnavailableError):
        desk.reply(MANAGER, fire.code, "again")
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO messages")
    assert desk.kept() == []
    assert desk.reply(MANAGER, fire.code, "again") == "acknowledged"
    assert len(desk.kept()) == 1


def test_a_fire_that_is_over_and_nobody_acknowledged_can_still_be(desk: Desk) -> None:
    fire = desk.fire()
    desk.incidents.record([sighting(1, Phase.CLEARED, unix_ms=desk.clock.unix_ms() + 5000)], lambda _change: ())
    assert desk.reply(MANAGER, fire.code) == "acknowledged"


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("K7Q2", ("K7Q2",)),
        ("확인 k7q2 입니다", ("K7Q2",)),
        ("K7Q2확인", ("K7Q2",)),
        ("K 7 Q 2", ("K7Q2",)),
        ("K7-Q2", ("K7Q2",)),
        ("Ｋ７Ｑ２", ("K7Q2",)),  # noqa: RUF001 — a phone's full-width letters
        ("[화재] 중앙시장 B구역 cam-1 화염감지 14:32 확인코드 K7Q2", ("K7Q2",)),
        ("K7Q2 M3P4 K7Q2", ("K7Q2", "M3P4")),
        ("K7Q2M", ()),
        ("IL01", ()),
        ("", ()),
        ("\0\0", ()),
        ("AAAA " * 3 + " ".join(f"B{n}{n}{n}" for n in range(2, 10)), ("AAAA", *(f"B{n}{n}{n}" for n in range(2, 9)))),
    ],
)
def test_what_of_a_text_can_be_a_code(text: str, codes: tuple[str, ...]) -> None:
    assert codes_in(text) == codes


@pytest.mark.parametrize("language", ANSWERS)
@pytest.mark.parametrize("what", ANSWERS["ko"])
def test_every_answer_is_one_sms_in_every_language(language: str, what: str) -> None:
    codes = ["K7Q2", "M3P4", "Z9Z9", "W8W8"]
    text = answer_text(what, language, codes, who="긴이름" * 20, unix_ms=0)
    if language in UNICODE:
        text = answer_text(what, language, codes, who="김관리", unix_ms=0)
        assert ucs2_units(text) <= UCS2_UNITS_MAX
    else:
        assert carrier_bytes(text) <= SMS_BYTES_MAX
        assert "K7Q2" in text or what == "none"
    assert set(ANSWERS[language]) == set(ANSWERS["ko"])


def test_whoever_reads_what_nobody_here_can_carry_is_answered_in_english() -> None:
    assert answer_text("none", "zh", [], unicode=False) == answer_text("none", "en", [])
    assert answer_text("none", "zh", []) != answer_text("none", "en", [])
