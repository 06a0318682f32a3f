"""Live values on the screens: bays free per lot, each with its age. Pure functions of the injected time."""

from dataclasses import dataclass

from contract.telemetry import BayBatch, BayState

MS_PER_S = 1000.0
STALE_AFTER_S = 25.0
"""A bay is reported every 10 s at the latest: two reports may be lost, and what is left is for the way here."""
FUTURE_S_MAX = 5.0
"""How far a reading's time may lie ahead of this machine's: clocks that are kept differ by less."""
BAYS_MAX = 5000
"""A market has hundreds of bays; what comes above this bound is not taken, so that no flood fills the memory."""


@dataclass(slots=True)
class _Bay:
    lot: str
    state: BayState
    reading_unix_ms: int
    heard_s: float


@dataclass(frozen=True, slots=True)
class LotView:
    """A lot's bays. `unknown` counts bays whose sensor does not know, and bays not heard of for `STALE_AFTER_S`."""

    lot: str
    free: int
    occupied: int
    closed: int
    unknown: int
    age_s: float
    stale: bool

    @property
    def total(self) -> int:
        """All bays of the lot that were ever heard of."""
        return self.free + self.occupied + self.closed + self.unknown


class LiveBays:
    """The latest state of every bay of the market, as this device has heard it.

    A reading that names no lot counts for a lot with its device's name. Replayed history is no live value. A reading
    counts from its own time or from its arrival, whichever is earlier; one from the future says nothing of now.
    """

    def __init__(self) -> None:
        self._bays: dict[tuple[str, str], _Bay] = {}

    def take(self, device: str, batch: BayBatch, now_s: float, now_unix_ms: int) -> bool:
        """Take a batch; whether it changed what a screen shows."""
        if batch.replayed:
            return False
        changed = False
        for reading in batch.readings:
            key = (device, reading.bay)
            old = self._bays.get(key)
            if old is None and len(self._bays) >= BAYS_MAX:
                continue
            ahead_ms = reading.time_unix_ms - now_unix_ms
            counts_from_unix_ms = reading.time_unix_ms - max(0, ahead_ms)
            if old is not None and counts_from_unix_ms < old.reading_unix_ms:
                continue
            state = BayState.UNKNOWN if ahead_ms > FUTURE_S_MAX * MS_PER_S else reading.state
            changed = changed or old is None or old.state is not state
            heard_s = now_s + min(0, ahead_ms) / MS_PER_S
            self._bays[key] = _Bay(reading.lot or device, state, counts_from_unix_ms, heard_s)
        return changed

    def lots(self, now_s: float) -> tuple[LotView, ...]:
        """Every lot, by name."""
        by_lot: dict[str, list[_Bay]] = {}
        for bay in self._bays.values():
            by_lot.setdefault(bay.lot, []).append(bay)
        return tuple(_view(lot, bays, now_s) for lot, bays in sorted(by_lot.items()))


def _view(lot: str, bays: list[_Bay], now_s: float) -> LotView:
    fresh = [bay.state for bay in bays if now_s - bay.heard_s <= STALE_AFTER_S]
    age_s = min(now_s - bay.heard_s for bay in bays)
    counts = {state: fresh.count(state) for state in BayState}
    return LotView(
        lot=lot,
        free=counts[BayState.FREE],
        occupied=counts[BayState.OCCUPIED],
        closed=counts[BayState.CLOSED],
        unknown=counts[BayState.UNKNOWN] + len(bays) - len(fresh),
        age_s=max(0.0, age_s),
        stale=age_s > STALE_AFTER_S,
    )
