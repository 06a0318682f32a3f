"""A mock pin whose edges carry the time at which they happened, and which may run for months."""

import time
from collections import deque

from gpiozero.pins.mock import MockPin, PinState

STATES_MAX = 64
STAMPS_PER_S = 2**20
"""Edge times are multiples of 2^-20 s (0.95 us, as fine as a Pi's own stamps): a double holds them and their
differences exactly, so that equal pulses measure equal to the last bit."""


def stamp(time_s: float) -> float:
    """`time_s` on the grid of edge times."""
    return round(time_s * STAMPS_PER_S) / STAMPS_PER_S


class StampedPin(MockPin):  # type: ignore[misc] # gpiozero ships no types
    """An input that is driven with a time stamp, as lgpio's edges are stamped by the kernel and not by its reader.

    gpiozero's mock keeps every state since it was made: 12 rangers at 2 Hz fill some 36 MB an hour. This one keeps the
    last `STATES_MAX`.
    """

    def clear_states(self) -> None:
        """Forget the states kept so far but the present one."""
        super().clear_states()
        self.states: deque[PinState] = deque(self.states, maxlen=STATES_MAX)

    def drive(self, level: bool, at_s: float | None = None) -> None:
        """Put the pin at `level` from outside, at `at_s` on `time.monotonic` (now, when None).

        A pin that the program has made an output ignores it, as a strong output does.
        """
        if self._get_function() != "input" or not self._change_state(level):
            return
        self._last_change = stamp(time.monotonic() if at_s is None else at_s)
        if self._edges not in {"both", "rising" if level else "falling"}:
            return
        with self._when_changed_lock:
            watcher = self._when_changed
        # Called without the lock: a callback may take its time, and the pin may be released meanwhile.
        callback = None if watcher is None else watcher()
        if callback is not None:
            callback(self._last_change, level)
