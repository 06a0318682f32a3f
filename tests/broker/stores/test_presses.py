"""Presses of a button: which incidents they stand for, and that each is kept once, in both databases."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine

from broker.stores.incidents import Incidents
from broker.stores.presses import Pressed, Presses
from runtime.clock import ManualClock
from tests.broker.stores.test_acknowledge_tokens import enrol, fire


@pytest.fixture
def pressed(clock: ManualClock) -> Pressed:
    now = clock.unix_ms()
    return Pressed("jungang", "fire-1", "0" * 16, 7, "a" * 32, "office", None, (), now, now, "{}")


def test_a_press_is_kept_once_and_known_from_then_on(engine: Engine, pressed: Pressed) -> None:
    enrol(engine)
    presses = Presses(engine)
    assert not presses.is_known(pressed)
    presses.keep(pressed)
    presses.keep(pressed)
    assert presses.is_known(pressed)
    assert not presses.is_known(replace(pressed, seq=8))
    assert not presses.is_known(replace(pressed, device="fire-2"))


def test_it_stands_for_what_began_before_it_there_or_is_named(
    engine: Engine, clock: ManualClock, pressed: Pressed
) -> None:
    enrol(engine)
    presses = Presses(engine)
    burning = fire(engine, clock)
    fire(engine, clock, "seomun", seq=2)
    named = (f"{1:032x}",)
    assert presses.incidents_of(pressed) == (burning,)
    assert presses.incidents_of(replace(pressed, before_unix_ms=clock.unix_ms() - 1)) == ()
    assert presses.incidents_of(replace(pressed, before_unix_ms=None)) == ()
    assert presses.incidents_of(replace(pressed, before_unix_ms=None, fires=named)) == (burning,)
    assert presses.incidents_of(replace(pressed, zone="b")) == (burning,)
    assert presses.incidents_of(replace(pressed, zone="a", fires=named)) == ()
    Incidents(engine, clock).acknowledge(burning, "office (fire-1)", "button")
    assert presses.incidents_of(pressed) == ()


def test_it_knows_which_fires_have_not_come_yet(engine: Engine, clock: ManualClock) -> None:
    enrol(engine)
    fire(engine, clock)
    here, away = f"{1:032x}", f"{2:032x}"
    presses = Presses(engine)
    assert presses.unheard_of("jungang", (here, away)) == {away}
    assert presses.unheard_of("seomun", (here,)) == {here}
    assert presses.unheard_of("jungang", ()) == frozenset()
