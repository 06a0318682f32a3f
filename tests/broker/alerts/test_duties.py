import pytest

from broker.alerts.duties import Duty, DutyRound
from broker.stores.database import StoreUnavailableError
from runtime.clock import ManualClock


@pytest.fixture
def done() -> list[str]:
    return []


def test_each_duty_has_its_own_time(clock: ManualClock, done: list[str]) -> None:
    often, seldom = Duty("often", 2, lambda: done.append("often")), Duty("seldom", 10, lambda: done.append("seldom"))
    work = DutyRound([often, seldom], clock)
    for _ in range(11):
        work.look(linked=True)
        clock.advance(1)
    assert (done.count("often"), done.count("seldom")) == (6, 2)
    assert done[:2] == ["often", "seldom"]


def test_what_needs_the_link_waits_for_it(clock: ManualClock, done: list[str]) -> None:
    work = DutyRound([Duty("absence", 2, lambda: done.append("absence"), needs_link=True)], clock)
    work.look(linked=False)
    assert done == []
    work.look(linked=True)
    assert done == ["absence"]


def test_one_that_fails_is_done_again_and_holds_nobody_up(clock: ManualClock, done: list[str]) -> None:
    errors: list[Exception] = [StoreUnavailableError("away")]

    def fail_once() -> None:
        done.append("first")
        if errors:
            raise errors.pop()

    work = DutyRound([Duty("first", 10, fail_once), Duty("second", 10, lambda: done.append("second"))], clock)
    work.look(linked=True)
    work.look(linked=True)
    assert done == ["first", "second", "first"]
    assert work.complaint == ""


def test_a_defect_is_said_until_it_is_gone_and_holds_nobody_up(clock: ManualClock, done: list[str]) -> None:
    errors: list[Exception] = [ValueError("a defect")]

    def fail_once() -> None:
        if errors:
            raise errors.pop()

    work = DutyRound([Duty("broken", 10, fail_once), Duty("second", 10, lambda: done.append("second"))], clock)
    work.look(linked=True)
    assert done == ["second"]
    assert work.complaint == "broken: ValueError: a defect"
    clock.advance(10)
    work.look(linked=True)
    assert work.complaint == ""


def test_when_the_work_is_anothers_meanwhile_the_rest_is_left(clock: ManualClock, done: list[str]) -> None:
    work = DutyRound([Duty(name, 10, lambda name=name: done.append(name)) for name in "abc"], clock)  # type: ignore[misc] # mypy does not see that the default is the argument
    work.look(linked=True, going_on=lambda: len(done) < 2)
    assert done == ["a", "b"]
