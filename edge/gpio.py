"""GPIO: the pin factory, what a pin number may be, and what its errors mean. gpiozero is imported at first use only."""

import os
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import structlog
from pydantic import AfterValidator

from runtime.errors import RetryableError
from runtime.settings_file import MisplacedError

if TYPE_CHECKING:
    from gpiozero import Factory

log = structlog.get_logger(__name__)

PIN_MIN, PIN_MAX = 2, 27  # GPIO0 and GPIO1 belong to the HAT's identification EEPROM
DETAIL_LENGTH_MAX = 400  # a reading's detail holds 500 characters
I2C_PINS = (2, 3)  # 1.8 kOhm pull-ups on the board hold them high


class PinError(RetryableError):
    """A pin cannot be had or does not work; the sentence says which and why. A sensor reports it and tries again."""


@contextmanager
def pin_errors(pins: str) -> Iterator[None]:
    """Turn whatever happens inside into a `PinError` that names `pins`.

    Raises:
        PinError: gpiozero, its factories and lgpio raise errors of many roots, all of which mean this.
    """
    try:
        yield
    except PinError:
        raise
    except Exception as error:
        raise PinError(f"{pins}: {str(error) or type(error).__name__}"[:DETAIL_LENGTH_MAX]) from error


def _check_pin(pin: int) -> int:
    if not PIN_MIN <= pin <= PIN_MAX:
        raise ValueError(f"pin {pin} is not one of the header's: use a BCM number from {PIN_MIN} to {PIN_MAX}")
    return pin


def _check_pulled_down(pin: int) -> int:
    if pin in I2C_PINS:
        raise ValueError(f"pin {pin} has a fixed pull-up on the board and cannot hear an echo: use 4 to {PIN_MAX}")
    return pin


Pin = Annotated[int, AfterValidator(_check_pin)]
"""A BCM number of the 40-pin header."""

EchoPin = Annotated[Pin, AfterValidator(_check_pulled_down)]
"""A pin that can be pulled down: GPIO2 and GPIO3 cannot."""


def check_pull(pins: Mapping[str, int], *, active_high: bool) -> None:
    """Refuse inputs that have to be pulled down on pins that cannot be.

    Raises:
        MisplacedError: with the key, the pin and what would be right.
    """
    for key, pin in pins.items():
        if active_high and pin in I2C_PINS:
            raise MisplacedError(
                f"pin {pin} has a fixed pull-up on the board: use another pin, or wire it to ground "
                "and set active_high: false",
                key,
            )


class Gpio:
    """The pins of this machine, claimed at first use: a factory handed in (a simulator's), or the native one.

    The native factory is lgpio alone: it is the only one that works on every Raspberry Pi up to the 5. Its library
    leaves notification pipes in the working directory unless LG_WD names another: `work_dir` is what it is told. It
    changes the process's working directory to it while it is imported; that is undone, for the paths of everybody else.
    """

    def __init__(self, factory: "Factory | None" = None, *, work_dir: Path) -> None:
        self._factory = factory
        self._owned = factory is None
        self._work_dir = work_dir

    def factory(self) -> "Factory":
        """The pin factory.

        Raises:
            PinError: no factory was handed in and this machine has no usable GPIO.
        """
        if self._factory is None:
            self._factory = self._native()
        return self._factory

    def close(self) -> None:
        """Give back every pin, if the factory is ours."""
        if self._owned and self._factory is not None:
            self._factory.close()
            self._factory = None

    def _native(self) -> "Factory":
        self._work_dir.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("LG_WD", str(self._work_dir.resolve()))
        with pin_errors("no GPIO on this machine"), chdir(Path.cwd()):
            from gpiozero.pins.lgpio import LGPIOFactory  # noqa: PLC0415 - 9 MB that a machine without pins never needs

            factory = LGPIOFactory()
        log.info("gpio.opened", factory=type(factory).__name__)
        return factory
