"""What happens when thousands of devices lose the same broker at once: when each comes back. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runtime.backoff import Backoff


def return_times_s(outage_s: float, backoffs: Iterable[Backoff]) -> list[float]:
    """When each device is back, in seconds after the broker is, by its own back-off; soonest first.

    All lose the link at the same moment, wait, try, and wait longer while the broker is away. A try costs no time.
    """
    times = []
    for backoff in backoffs:
        at_s = backoff.next_delay_s()
        while at_s < outage_s:
            at_s += backoff.next_delay_s()
        times.append(at_s - outage_s)
    return sorted(times)


@dataclass(frozen=True, slots=True)
class Spread:
    """How devices came back: how many, half of them, nearly all, the last (s), and the most within `window_s`."""

    count: int
    p50_s: float
    p99_s: float
    last_s: float
    window_s: float
    busiest_count: int

    def __str__(self) -> str:
        busiest = f"busiest {self.window_s * 1000:.0f} ms: {self.busiest_count}"
        return f"{self.count} back: p50 {self.p50_s:.2f} s  p99 {self.p99_s:.2f} s  last {self.last_s:.2f} s  {busiest}"


def spread(times_s: Sequence[float], window_s: float = 0.1) -> Spread:
    """The spread of `times_s`, sorted, of which there is at least one."""
    count, first, busiest = len(times_s), 0, 0
    for index, time_s in enumerate(times_s):
        while time_s - times_s[first] > window_s:
            first += 1
        busiest = max(busiest, index - first + 1)
    return Spread(
        count, times_s[count // 2], times_s[min(count - 1, int(0.99 * count))], times_s[-1], window_s, busiest
    )
