"""Gates, beams and sirens: what a contact does to the pin it is wired to."""

from collections.abc import Iterator

import pytest
from gpiozero import DigitalInputDevice, OutputDevice
from gpiozero.pins.mock import MockFactory

from firmware_sim.pins import beams, loops
from firmware_sim.pins.beams import BeamModel, Crossing
from firmware_sim.pins.contact import contact_pin
from firmware_sim.pins.loops import GateModel
from firmware_sim.pins.player import Player
from firmware_sim.pins.sirens import SirenModel
from firmware_sim.wiring import BeamWiring, GateWiring, SirenWiring
from tests.eventually import eventually


class Board:
    """Two inputs whose edges are written down."""

    def __init__(self) -> None:
        self.factory, self.player = MockFactory(), Player("contact-test")
        self.player.start()
        self.edges: list[tuple[str, bool]] = []
        self.inputs: list[DigitalInputDevice] = []

    def listen(self, name: str, pin: int) -> None:
        device = DigitalInputDevice(pin, pin_factory=self.factory)
        device.when_activated = lambda: self.edges.append((name, True))
        device.when_deactivated = lambda: self.edges.append((name, False))
        self.inputs.append(device)

    def close(self) -> None:
        for device in self.inputs:
            device.close()
        self.player.stop()


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    for module, name in ((beams, "STEP_S"), (beams, "GAP_S"), (loops, "PULSE_S"), (loops, "GAP_S")):
        monkeypatch.setattr(module, name, 0.01)
    made = Board()
    yield made
    made.close()


def beam_model(board: Board) -> BeamModel:
    model = BeamModel(BeamWiring("east", 26, 27), board.factory, board.player)
    board.listen("outer", 26)
    board.listen("inner", 27)
    return model


def test_who_comes_in_breaks_the_outer_beam_first_and_clears_the_inner_last(board: Board) -> None:
    model = beam_model(board)
    model.cross(Crossing.IN)
    eventually(lambda: len(board.edges) == 4)
    assert board.edges == [("outer", True), ("inner", True), ("outer", False), ("inner", False)]


def test_who_goes_out_does_it_the_other_way_round(board: Board) -> None:
    model = beam_model(board)
    model.cross(Crossing.OUT)
    eventually(lambda: len(board.edges) == 4)
    assert board.edges == [("inner", True), ("outer", True), ("inner", False), ("outer", False)]


def test_who_turns_back_breaks_one_beam_only(board: Board) -> None:
    model = beam_model(board)
    model.cross(Crossing.TURN_BACK)
    eventually(lambda: len(board.edges) == 2)
    assert {beam for beam, _ in board.edges} == {"outer"}


def test_people_queue_and_do_not_walk_through_each_other(board: Board) -> None:
    model = beam_model(board)
    assert all(model.cross(Crossing.IN) for _ in range(5))
    eventually(lambda: len(board.edges) == 20)
    assert board.edges == 5 * board.edges[:4]
    assert model.played == {Crossing.IN: 5, Crossing.OUT: 0, Crossing.TURN_BACK: 0}


def test_nobody_crosses_a_blocked_entrance_and_the_beam_stays_broken(board: Board) -> None:
    model = beam_model(board)
    model.block(blocked=True)
    eventually(lambda: board.edges == [("outer", True)])
    assert not model.cross(Crossing.IN)
    model.block(blocked=False)
    eventually(lambda: board.edges[-1] == ("outer", False))
    assert model.cross(Crossing.IN)


def test_a_full_queue_refuses_the_next(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beams, "QUEUE_S_MAX", 0.0)
    monkeypatch.setattr(loops, "QUEUE_S_MAX", 0.0)
    people = beam_model(board)
    gate = GateModel(GateWiring("main-gate", "main", 24, 25), board.factory, board.player)
    assert [people.cross(Crossing.IN), people.cross(Crossing.IN)] == [True, False]
    assert [gate.drive("in"), gate.drive("in")] == [True, False]
    assert gate.played == {"in": 1, "out": 0}


def test_each_car_is_one_pulse_on_its_loop(board: Board) -> None:
    model = GateModel(GateWiring("main-gate", "main", 24, 25), board.factory, board.player)
    board.listen("in", 24)
    board.listen("out", 25)
    for direction in ("in", "out", "in"):
        model.drive(direction)
    eventually(lambda: len(board.edges) == 6)
    assert board.edges.count(("in", True)) == 2
    assert board.edges.count(("out", True)) == 1


@pytest.mark.parametrize("pull_up", [False, True])
def test_a_contact_pulls_its_pin_away_from_the_pull_and_is_found_closed_by_who_comes_later(pull_up: bool) -> None:
    factory = MockFactory()
    contact = contact_pin(factory, 24)
    contact.switch(closed=True)
    device = DigitalInputDevice(24, pull_up=pull_up, pin_factory=factory)
    assert device.is_active
    contact.switch(closed=False)
    assert not device.is_active
    device.close()


@pytest.mark.parametrize("active_high", [True, False])
def test_a_siren_sounds_when_its_relay_is_driven_and_only_then(active_high: bool) -> None:
    factory = MockFactory()
    siren = SirenModel(SirenWiring("siren-1", 17, active_high), factory)
    heard = [siren.is_sounding]  # nobody drives the pin yet
    relay = OutputDevice(17, active_high=active_high, pin_factory=factory)
    heard.append(siren.is_sounding)
    relay.on()
    heard.append(siren.is_sounding)
    relay.close()
    heard.append(siren.is_sounding)  # a released pin drives nothing
    assert heard == [False, False, True, False]
