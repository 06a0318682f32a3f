import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

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
from broker.stores.messages import Message, Messages
from runtime.clock import ManualClock, SystemClock
from tests.broker.alerts.central import MANAGER, SECOND_MANAGER, composer, sighting
from tests.eventually import eventually

UNAVAILABLE = ProviderUnavailableError("503")


@pytest.fixture
def messages(engine: Engine, clock: ManualClock) -> Messages:
    Incidents(engine, clock).record([sighting()], composer(engine, clock))
    return Messages(engine, clock)


def dispatcher(messages: Messages, clock: ManualClock, *notifiers: MemoryNotifier) -> Dispatcher:
    return Dispatcher(messages, notifiers, clock, Counters())


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
    (again,) = messages.claim(10)
    sender.deliver(again)
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
        one = next(claimed for claimed in messages.claim(10) if claimed.message_id == one.message_id)
    ceilings = [min(DELAY_S_MAX, 0.3 * 2**number) for number in range(12)]
    assert all(0.5 * top - 0.002 <= pause <= top for pause, top in zip(pauses, ceilings, strict=True))


def test_a_refused_message_fails_after_every_provider_refused(messages: Messages, clock: ManualClock) -> None:
    refusal = RefusedMessageError("400: no such number")
    sender = dispatcher(messages, clock, MemoryNotifier("a", [refusal]), MemoryNotifier("b", [refusal]))
    (one, _) = messages.claim(10)
    sender.deliver(one)
    assert state_of(messages, one).state == "due"
    sender.deliver(next(claimed for claimed in messages.claim(10) if claimed.message_id == one.message_id))
    after = state_of(messages, one)
    assert (after.state, after.provider, after.error) == ("failed", "b", "400: no such number")


@pytest.mark.parametrize(
    ("error", "state", "said"),
    [(UNAVAILABLE, "failed", "503"), (AmbiguousSendError("no answer"), "unknown", AMBIGUOUS + "no answer")],
)
def test_after_an_hour_it_is_given_up_and_says_so(
    messages: Messages, clock: ManualClock, error: Exception, state: str, said: str
) -> None:
    clock.advance(3601)
    (one, *_) = messages.claim(10)
    dispatcher(messages, clock, MemoryNotifier(errors=[error])).deliver(one)
    after = state_of(messages, one)
    assert (after.state, after.error) == (state, said)


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
    broken = [
        replace(sighting(number, unix_ms=clock.unix_ms()), kind=f"camera-{number}", severity="trouble", part="camera")
        for number in range(10, 16)
    ]
    with running(sender):
        Incidents(engine, clock).record(broken, composer(engine, clock))
        sender.wake()
        eventually(lambda: notifier.hanging == 4, what="half of the slots hang")
        raise_fire(1, "a")
        eventually(lambda: len(notifier.sent) == 2, within_s=3, what="the fire goes out past them")
        assert notifier.hanging == 4
        notifier.released.set()
        eventually(lambda: len(notifier.sent) == 14)
