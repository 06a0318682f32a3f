"""Pins: what a number may be, and a machine that has none."""

import os
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory
from pydantic import TypeAdapter, ValidationError

from edge.gpio import EchoPin, Gpio, Pin, PinError, pin_errors


@pytest.mark.parametrize(("pin", "good"), [(1, False), (2, True), (27, True), (28, False), (40, False)])
def test_a_pin_is_a_bcm_number_of_the_header(pin: int, good: bool) -> None:
    adapter: TypeAdapter[int] = TypeAdapter(Pin)

    if good:
        assert adapter.validate_python(pin) == pin
    else:
        with pytest.raises(ValidationError, match="use a BCM number from 2 to 27"):
            adapter.validate_python(pin)


@pytest.mark.parametrize("pin", [2, 3])
def test_an_echo_is_not_heard_on_a_pulled_up_pin(pin: int) -> None:
    with pytest.raises(ValidationError, match="fixed pull-up"):
        TypeAdapter(EchoPin).validate_python(pin)


def test_a_factory_that_was_handed_in_is_used_and_left_open(tmp_path: Path) -> None:
    factory = MockFactory()
    gpio = Gpio(factory, work_dir=tmp_path)

    assert gpio.factory() is factory
    gpio.close()
    assert gpio.factory() is factory


@pytest.mark.skipif(Path("/dev/gpiochip0").exists(), reason="this machine has GPIO")
def test_a_machine_without_gpio_says_so_and_lgpio_leaves_nothing_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LG_WD", raising=False)
    monkeypatch.chdir(tmp_path)

    with pytest.raises(PinError, match="no GPIO on this machine: "):
        Gpio(work_dir=tmp_path / "gpio").factory()

    assert os.environ["LG_WD"] == str(tmp_path / "gpio")
    assert Path.cwd() == tmp_path
    assert not list(tmp_path.glob(".lgd-nfy*"))


def test_any_error_of_a_pin_becomes_one_with_its_pins() -> None:
    with pytest.raises(PinError, match="pin 17: KeyError"), pin_errors("pin 17"):
        raise KeyError
