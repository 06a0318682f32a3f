"""What a device told by its own modem: the centre's first word to the same people is withdrawn, in both databases."""

import pytest
from sqlalchemy import Engine

from broker.stores.incident_models import Change, Sighting
from broker.stores.incidents import Incidents
from broker.stores.messages import Message, Messages, NewMessage
from broker.stores.told import DeviceTellings, DeviceTold
from contract.events import Phase, ToldEvent
from runtime.clock import ManualClock
from tests.broker.stores.test_acknowledge_tokens import KIM, LEE, enrol

EPOCH = "0" * 16
FIRE_ID = "a" * 32


def told(
    clock: ManualClock, *phones: str, market: str = "jungang", seq: int = 50, event_id: str = FIRE_ID
) -> DeviceTold:
    now = clock.unix_ms()
    event = ToldEvent(epoch=EPOCH, seq=seq, event_id=event_id, time_unix_ms=now, phones=phones)
    return DeviceTold(market, "fire-2", EPOCH, seq, event_id, now, event.model_dump_json())


def compose(change: Change) -> list[NewMessage]:
    assert change.incident is not None
    due = change.incident.opened_unix_ms
    people = (("김관리", KIM), ("이관리", LEE))
    first = [NewMessage("0", name, phone, "[화재]", due) for name, phone in people]
    return [*first, NewMessage("1", "김관리", KIM, "[화재 미확인]", due + 60_000)]


def record_fire(engine: Engine, clock: ManualClock, market: str = "jungang") -> None:
    seen = Sighting(
        market=market, device="fire-1", epoch=EPOCH, seq=1, event_id=FIRE_ID, name="fire", phase=Phase.RAISED,
        time_unix_ms=clock.unix_ms(), zone="b", kind="fire", severity="fire", subject="cam-1",
    )  # fmt: skip
    Incidents(engine, clock).record([seen], compose)


def states(engine: Engine, clock: ManualClock) -> dict[tuple[str, str], tuple[str, str | None]]:
    found: tuple[Message, ...] = Messages(engine, clock).newest()
    return {
        (one.recipient, one.message_key.rpartition(":")[2]): (one.state, one.provider)
        for one in found
        if one.market == "jungang"
    }


@pytest.mark.parametrize("told_first", [True, False])
def test_the_told_are_not_told_again_and_the_others_and_later_steps_are(
    engine: Engine, clock: ManualClock, told_first: bool
) -> None:
    enrol(engine)
    tellings = DeviceTellings(engine)
    if told_first:
        assert tellings.note(told(clock, KIM)) == 0
        record_fire(engine, clock)
    else:
        record_fire(engine, clock)
        assert tellings.note(told(clock, KIM)) == 1
    assert tellings.note(told(clock, KIM)) == 0, "a resend changes nothing"
    assert states(engine, clock) == {
        (KIM, "0"): ("accepted", "edge:fire-2"),
        (LEE, "0"): ("due", None),
        (KIM, "1"): ("due", None),
    }
    messages = Messages(engine, clock)
    assert [one.recipient for one in messages.claim(10)] == [LEE]
    clock.advance(60)
    assert (KIM, "1") in {(one.recipient, one.message_key.rpartition(":")[2]) for one in messages.claim(10)}
    names = {one.name for one in Incidents(engine, clock).events(1)}
    assert names == {"fire", "told"}, "the incident's page tells it"


def test_another_market_s_device_and_another_fire_withdraw_nothing(engine: Engine, clock: ManualClock) -> None:
    enrol(engine)
    record_fire(engine, clock)
    tellings = DeviceTellings(engine)
    assert tellings.note(told(clock, KIM, market="seomun")) == 0
    assert tellings.note(told(clock, KIM, seq=51, event_id="b" * 32)) == 0
    assert states(engine, clock)[KIM, "0"] == ("due", None)


def test_what_a_provider_is_sending_just_now_is_not_tried_again_and_what_it_delivered_stays(
    engine: Engine, clock: ManualClock
) -> None:
    enrol(engine)
    record_fire(engine, clock)
    messages = Messages(engine, clock)
    one, other = messages.claim(10)
    messages.accepted(other.message_id, "kannel", "7")
    messages.delivered(other.message_id, "kannel")
    assert DeviceTellings(engine).note(told(clock, one.recipient, other.recipient)) == 1
    assert not messages.retry(one, clock.unix_ms(), "it hangs")
    assert states(engine, clock)[one.recipient, "0"] == ("accepted", "edge:fire-2")
    assert states(engine, clock)[other.recipient, "0"] == ("delivered", "kannel")
