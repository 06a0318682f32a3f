from dataclasses import replace

import pytest

from broker.alerts.memory_notifier import MemoryNotifier
from broker.alerts.ports import Call, Receipt
from broker.alerts.providers import LONG_S, REMEMBERED_MAX, STRIKES, SUSPECT_S, Providers
from broker.stores.message_models import CANARY_KEY, Message
from runtime.clock import ManualClock
from tests.broker.alerts.central import NOW_UNIX_MS

DAY_MS = 86_400_000
ONE = Message(
    message_id=1,
    message_key="K7Q2:010:sms:0",
    incident_id=1,
    market="m",
    recipient_name="x",
    recipient="010",
    channel="sms",
    text="[화재]",
    state="leased",
    provider=None,
    provider_reference=None,
    attempts=1,
    created_unix_ms=NOW_UNIX_MS,
    due_unix_ms=NOW_UNIX_MS,
    lease_until_unix_ms=None,
    accepted_unix_ms=None,
    delivered_unix_ms=None,
    error=None,
)


def of_three(clock: ManualClock) -> Providers:
    return Providers([MemoryNotifier(name) for name in "abc"], clock)


def number(message_id: int) -> Message:
    return replace(ONE, message_id=message_id)


def test_each_try_is_the_next_ones_turn(clock: ManualClock) -> None:
    providers = of_three(clock)
    assert [providers.choose(ONE) for _ in range(4)] == [0, 1, 2, 0]
    assert providers.choose(number(2)) == 0
    providers.over(ONE)
    assert providers.choose(ONE) == 0


def test_one_that_has_the_message_already_is_not_asked_again(clock: ManualClock) -> None:
    providers = of_three(clock)
    assert providers.choose(ONE, busy={0}) == 1
    assert providers.choose(number(2), busy={0, 1, 2}) == 0


@pytest.mark.parametrize(
    ("strikes", "took_s", "suspect"), [(1, LONG_S, True), (STRIKES - 1, 0.1, False), (STRIKES, 0.1, True)]
)
def test_what_took_long_in_vain_or_fails_often_is_passed_over_for_a_while(
    clock: ManualClock, strikes: int, took_s: float, suspect: bool
) -> None:
    providers = of_three(clock)
    for _ in range(strikes):
        providers.struck(0, took_s)
    assert providers.choose(ONE) == (1 if suspect else 0)
    assert providers.suspects() == (("a",) if suspect else ())
    clock.advance(SUSPECT_S + 1)
    assert providers.choose(number(2)) == 0, "somebody has to find out whether it works again"
    providers.struck(0, LONG_S)
    assert providers.choose(number(3)) == 1
    providers.worked(0)
    assert providers.choose(number(4)) == 0


def test_when_all_are_under_suspicion_they_are_asked_in_turn(clock: ManualClock) -> None:
    providers = of_three(clock)
    for index in range(3):
        providers.struck(index, LONG_S)
    assert [providers.choose(ONE) for _ in range(3)] == [0, 1, 2]


def test_who_refused_a_message_is_asked_last_and_the_last_refusal_is_the_end(clock: ManualClock) -> None:
    providers = of_three(clock)
    assert not providers.refused(ONE, 0)
    assert not providers.refused(ONE, 1)
    assert [providers.choose(ONE) for _ in range(2)] == [2, 2]
    assert providers.choose(number(2)) == 0
    assert providers.refused(ONE, 2)


def test_each_channel_has_its_own(clock: ManualClock) -> None:
    hook = MemoryNotifier("hook", channels=frozenset({"webhook"}))
    both = MemoryNotifier("both", channels=frozenset({"webhook", "sms"}))
    providers = Providers([hook, both], clock)
    assert providers.channels() == {"sms", "webhook"}
    assert providers.hedged() == {"webhook"}
    assert (providers.count("webhook"), providers.count("sms"), providers.count("apprise")) == (2, 1, 0)
    assert providers.choose(ONE) == 1
    assert providers.choose(replace(ONE, message_id=2, channel="apprise")) is None


def test_words_that_not_everybody_can_carry_go_first_to_whoever_can(clock: ManualClock) -> None:
    plain, wide = MemoryNotifier("plain"), MemoryNotifier("wide")
    plain.carries_unicode = False
    providers = Providers([plain, wide], clock)
    chinese = replace(ONE, text="[火灾] 中央市场发现火焰")
    assert providers.choose(ONE) == 0
    assert [providers.choose(replace(chinese, message_id=2)) for _ in range(2)] == [1, 0], "never silent all the same"


class Receipted(MemoryNotifier):
    """One that is told when a message has arrived."""

    receipts_port = 8631

    def receipt(self, call: Call) -> Receipt:
        return Receipt(int(call.query["message"]), "delivered")


def test_the_canary_goes_round_among_those_that_give_receipts(clock: ManualClock) -> None:
    providers = Providers([MemoryNotifier("spool"), Receipted("a"), Receipted("b")], clock)
    days = [
        replace(ONE, message_id=day, message_key=f"{CANARY_KEY}{day}", created_unix_ms=NOW_UNIX_MS + day * DAY_MS)
        for day in range(4)
    ]
    first = [providers.choose(day) for day in days]
    assert set(first[:2]) == {1, 2}
    assert first[2:] == first[:2]
    assert providers.choose(days[0]) != first[0], "the other one, if the first cannot"


def test_how_long_a_message_was_tried_is_counted_here(clock: ManualClock) -> None:
    providers = of_three(clock)
    assert providers.tried_for_s(ONE) == 0
    providers.choose(ONE)
    clock.advance(5)
    providers.choose(ONE)
    assert providers.tried_for_s(ONE) == 5


def test_it_forgets_the_oldest_rather_than_growing_for_ever(clock: ManualClock) -> None:
    providers = of_three(clock)
    for message_id in range(REMEMBERED_MAX + 1):
        providers.choose(number(message_id))
    assert providers.choose(number(REMEMBERED_MAX)) == 1
    assert providers.choose(number(0)) == 0
