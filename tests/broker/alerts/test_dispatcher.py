import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine

from broker.alerts.counters import Counters
from broker.alerts.dispatcher import AMBIGUOUS, DELAY_S_MAX, Dispatcher
from broker.alerts.memory_notifier import MemoryNotifier
from broker.alerts.ports import (
    Accepted,
    AmbiguousSendError,
    Outgoing,
    ProviderUnavailableError,
    RefusedMessageError,
)
from broker.stores.incidents import Incidents
from broker.stores.message_models import HEDGE_S
from broker.stores.messages import Message, Messages, NewMessage
from runtime.clock import ManualClock, SystemClock
from tests.broker.alerts.central import MANAGER, MARKET, SECOND_MANAGER, composer, sighting
from tests.eventually import eventually

UNAVAILABLE = ProviderUnavailableError("503")


@pytest.fixture
def messages(engine: Engine, clock: ManualClock) -> Messages:
    Incidents(engine, clock).record([sighting()], composer(engine, clock))
    return Messages(engine, clock)


def dispatcher(messages: Messages, clock: ManualClock, *notifiers: MemoryNotifier) -> Dispatcher:
    return Dispatcher(messages, notifiers, clock, Counters())


def again(messages: Messages, one: Message) -> Message:
    """The same message, claimed once more."""
    return next(claimed for claimed in messages.claim(10) if claimed.message_id == one.message_id)


def state_of(messages: Messages, message: Message) -> Message:
    return next(one for one in messages.newest() if one.message_id == message.message_id)


def test_sent_is_written_down_only_after_the_provider_has_it(messages: Messages, clock: ManualClock) -> None:
    notifier = MemoryNotifier("first")
    (one, _) = messages.claim(10)
    dispatcher(messages, clock, notifier).deliver(one)
    after = state_of(messages, one)
    assert (after.state, after.provider, after.provider_reference) == ("accepted", "first", "first-1")
    assert [(sent.recipient, sent.text) for sent in notifier.sent] == [(MANAGER, one.text)]


@pytest.mark.parametrize("error", [UNAVAILABLE, AmbiguousSendError("no answer"), ValueError("a defect")])
def test_whatever_goes_wrong_the_next_provider_follows_at_once(
    messages: Messages, clock: ManualClock, error: Exception
) -> None:
    first, second = MemoryNotifier("first", [error]), MemoryNotifier("second")
    sender = dispatcher(messages, clock, first, second)
    (one, _) = messages.claim(10)
    sender.deliver(one)
    assert state_of(messages, one).state == "due"
    assert sender.last_error
    sender.deliver(again(messages, one))
    assert (state_of(messages, one).state, state_of(messages, one).provider) == ("accepted", "second")


def test_a_lone_provider_is_asked_again_with_growing_pauses(messages: Messages, clock: ManualClock) -> None:
    sender = dispatcher(messages, clock, MemoryNotifier(errors=[UNAVAILABLE] * 12))
    (one, _) = messages.claim(10)
    pauses = []
    for _ in range(12):
        sender.deliver(one)
        after = state_of(messages, one)
        pauses.append((after.due_unix_ms - clock.unix_ms()) / 1000)
        clock.advance(pauses[-1])
        one = again(messages, one)
    ceilings = [min(DELAY_S_MAX, 0.3 * 2**number) for number in range(12)]
    assert all(0.5 * top - 0.002 <= pause <= top for pause, top in zip(pauses, ceilings, strict=True))


def test_a_refused_message_fails_after_every_provider_refused(messages: Messages, clock: ManualClock) -> None:
    refusal = RefusedMessageError("400: no such number")
    sender = dispatcher(messages, clock, MemoryNotifier("a", [refusal]), MemoryNotifier("b", [refusal]))
    (one, _) = messages.claim(10)
    sender.deliver(one)
    assert state_of(messages, one).state == "due"
    sender.deliver(again(messages, one))
    after = state_of(messages, one)
    assert (after.state, after.provider, after.error) == ("failed", "b", "400: no such number")


@pytest.mark.parametrize(
    ("error", "state", "said"),
    [(UNAVAILABLE, "failed", "503"), (AmbiguousSendError("no answer"), "unknown", AMBIGUOUS + "no answer")],
)
def test_after_an_hour_of_tries_it_is_given_up_and_says_so(
    messages: Messages, clock: ManualClock, error: Exception, state: str, said: str
) -> None:
    clock.advance(3601)  # a message that quiet hours held back for an hour has not been tried for an hour
    sender = dispatcher(messages, clock, MemoryNotifier(errors=[UNAVAILABLE, error]))
    (one, *_) = messages.claim(10)
    sender.deliver(one)
    assert state_of(messages, one).state == "due"
    clock.advance(3601)
    sender.deliver(again(messages, one))
    after = state_of(messages, one)
    assert (after.state, after.error) == (state, said)


def test_a_refusal_of_one_and_a_failure_of_the_other_are_not_the_end(messages: Messages, clock: ManualClock) -> None:
    """What the first could not take just now, it may take later: the second one's refusal says nothing of that."""
    first = MemoryNotifier("first", [UNAVAILABLE])
    second = MemoryNotifier("second", [RefusedMessageError("400: not to this country")])
    sender = dispatcher(messages, clock, first, second)
    (one, _) = messages.claim(10)
    sender.deliver(one)
    sender.deliver(again(messages, one))
    assert state_of(messages, one).state == "due"
    clock.advance(1)
    sender.deliver(again(messages, one))
    assert (state_of(messages, one).state, state_of(messages, one).provider) == ("accepted", "first")


# --- channels


def write(engine: Engine, clock: ManualClock, channel: str) -> None:
    Messages(engine, clock).write(
        f"k:{channel}", MARKET, NewMessage("0", "x", "x", "x", clock.unix_ms(), channel=channel)
    )


def test_a_message_goes_only_to_providers_of_its_channel(engine: Engine, clock: ManualClock) -> None:
    messages = Messages(engine, clock)
    write(engine, clock, "webhook")
    phones, hook = MemoryNotifier("phones"), MemoryNotifier("hook", channels=frozenset({"webhook"}))
    sender = dispatcher(messages, clock, phones, hook)
    (one,) = messages.claim(10)
    sender.deliver(one)
    assert (state_of(messages, one).provider, phones.sent) == ("hook", [])
    assert hook.sent[0].channel == "webhook"


def test_a_channel_without_providers_fails_and_says_why(engine: Engine, clock: ManualClock) -> None:
    messages = Messages(engine, clock)
    write(engine, clock, "webhook")
    (one,) = messages.claim(10)
    dispatcher(messages, clock, MemoryNotifier("phones")).deliver(one)
    after = state_of(messages, one)
    assert (after.state, after.error) == ("failed", "no provider for the channel webhook is configured")


# --- active and standby


class Held:
    """A lease as it is told to be. After `asked_max` questions it is over."""

    def __init__(self, asked_max: int) -> None:
        self.left = asked_max

    @property
    def held(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def fence(self) -> None:
        """No database is asked."""


def test_whoever_slept_between_claim_and_sending_sends_nothing(messages: Messages, clock: ManualClock) -> None:
    notifier = MemoryNotifier()
    sender = Dispatcher(messages, [notifier], clock, Counters(), lease=Held(0))
    (one, _) = messages.claim(10)
    sender.deliver(one)
    assert notifier.sent == []
    assert state_of(messages, one).state == "leased"


@contextmanager
def running(sender: Dispatcher) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=sender.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        sender.wake()
        thread.join(10)
        assert not thread.is_alive()


def live(engine: Engine, notifiers: Sequence[MemoryNotifier]) -> tuple[Dispatcher, Callable[..., None]]:
    clock = SystemClock()
    sender = Dispatcher(Messages(engine, clock), notifiers, clock, Counters())

    def raise_fire(number: int, zone: str) -> None:
        seen = sighting(number, unix_ms=clock.unix_ms(), zone=zone)
        Incidents(engine, clock).record([seen], composer(engine, clock))
        sender.wake()

    return sender, raise_fire


def test_a_commit_wakes_it_at_once(engine: Engine) -> None:
    notifier = MemoryNotifier()
    sender, raise_fire = live(engine, [notifier])
    with running(sender):
        raise_fire(1, "a")
        eventually(lambda: len(notifier.sent) == 2)
        begun = time.monotonic()
        raise_fire(2, "b")
        eventually(lambda: len(notifier.sent) == 4, every_s=0.002)
        assert time.monotonic() - begun < 0.6  # the poll alone would take up to 1 s
    assert {one.recipient for one in notifier.sent} == {MANAGER, SECOND_MANAGER}


class HangsOnTroubles(MemoryNotifier):
    """Takes fires; lets troubles wait until `released`."""

    def __init__(self) -> None:
        super().__init__()
        self.hanging = 0
        self.released = threading.Event()

    def send(self, message: Outgoing) -> Accepted:
        if message.text.startswith("[장애]"):
            self.hanging += 1
            self.released.wait(7)
        return super().send(message)


def test_a_provider_that_hangs_on_troubles_does_not_hold_a_fire(engine: Engine) -> None:
    notifier = HangsOnTroubles()
    sender, raise_fire = live(engine, [notifier])
    clock = SystemClock()
    messages = Messages(engine, clock)
    with running(sender):
        for number in range(12):
            messages.write(f"k{number}", MARKET, NewMessage("t0", "x", "010", "[장애]", clock.unix_ms()))
        sender.wake()
        eventually(lambda: notifier.hanging == 4, what="half of the slots hang")
        raise_fire(1, "a")
        eventually(lambda: len(notifier.sent) == 2, within_s=3, what="the fire goes out past them")
        assert notifier.hanging == 4
        notifier.released.set()
        eventually(lambda: len(notifier.sent) == 14)


# --- a provider that hangs


class Hanging(MemoryNotifier):
    """Takes a message and answers only when it is let go, or after 7 s as it must."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.has: list[int] = []
        self.let_go = threading.Event()

    def send(self, message: Outgoing) -> Accepted:
        self.has.append(message.message_id)
        if not self.let_go.wait(7):
            raise AmbiguousSendError("no answer")
        return super().send(message)


def test_while_the_first_provider_hangs_the_second_has_the_fire(engine: Engine) -> None:
    first, second = Hanging("first"), MemoryNotifier("second")
    sender, raise_fire = live(engine, [first, second])
    with running(sender):
        begun = time.monotonic()
        raise_fire(1, "a")
        eventually(lambda: len(second.sent) == 2, what="both managers are told")
        assert HEDGE_S <= time.monotonic() - begun < HEDGE_S + 1.5
        assert len(first.has) == 2
        assert sender.suspects() == ("first",)
        begun = time.monotonic()
        raise_fire(2, "b")
        eventually(lambda: len(second.sent) == 4, what="the next fire goes past it at once")
        assert time.monotonic() - begun < HEDGE_S
        assert len(first.has) == 2
        first.let_go.set()
    messages = Messages(engine, SystemClock())
    assert {one.provider for one in messages.newest() if one.state == "accepted"} == {"second"}


def test_fifty_people_do_not_wait_for_each_other_behind_a_provider_that_hangs(engine: Engine) -> None:
    first, second = Hanging("first"), MemoryNotifier("second")
    clock = SystemClock()
    sender, _ = live(engine, [first, second])
    people = [NewMessage("s0", "x", f"0101{number:07}", "x", clock.unix_ms()) for number in range(50)]
    for number, row in enumerate(people):
        Messages(engine, clock).write(f"storm-fire-{number}", MARKET, row)
    with running(sender):
        eventually(lambda: len(second.sent) == 50, within_s=HEDGE_S + 4, what="everybody is told by the second")
        assert len(first.has) <= 8
        first.let_go.set()


def test_when_all_hang_nobody_is_sent_the_same_again_and_again(engine: Engine) -> None:
    first, second = Hanging("first"), Hanging("second")
    clock, counters = SystemClock(), Counters()
    sender = Dispatcher(Messages(engine, clock), [first, second], clock, counters)
    Messages(engine, clock).write("storm-fire-1", MARKET, NewMessage("s0", "x", "010", "x", clock.unix_ms()))
    with running(sender):
        eventually(lambda: counters.all()["messages_hedged_total"] >= 2, what="asked, and found all of them busy")
        assert (len(first.has), len(second.has)) == (1, 1)
        first.let_go.set()
        second.let_go.set()
