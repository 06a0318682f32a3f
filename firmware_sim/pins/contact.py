"""A dry contact on an input: a loop detector's relay, a beam's receiver."""

from gpiozero.pins.mock import MockFactory

from firmware_sim.pins.stamped import StampedPin


class ContactPin(StampedPin):
    """A pin that a contact ties to the rail opposite to its pull: high on a pulled-down pin, low on a pulled-up one."""

    closed = False

    def _set_pull(self, value: str) -> None:
        super()._set_pull(value)
        # Whoever claims the pin while the contact is closed finds it closed.
        self._apply()

    def _apply(self, at_s: float | None = None) -> None:
        self.drive(self.closed != (self._get_pull() == "up"), at_s)

    def switch(self, closed: bool, at_s: float | None = None) -> None:
        """Close or open the contact at `at_s` on `time.monotonic` (now, when None)."""
        self.closed = closed
        self._apply(at_s)


def contact_pin(factory: MockFactory, pin: int) -> ContactPin:
    """The contact on BCM number `pin`."""
    made: ContactPin = factory.pin(pin, pin_class=ContactPin)
    return made
