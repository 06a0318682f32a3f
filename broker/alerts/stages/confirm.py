"""Confirm: devices are told which of their numbers are in a store now, so that they may forget them."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from broker.alerts.flow import Flow
from contract.access import DeviceIdentity
from contract.catalog import topic_for
from contract.delivery import DELIVERED_SEQS_MAX, Delivered
from runtime.clock import Clock
from transport.ports import Publisher


@dataclass(frozen=True, slots=True)
class Confirm:
    """Publishes receipts. One that is lost does no harm: the device resends, and is told again.

    Each says what time it is: a device without a clock learns it from that.
    """

    publisher: Callable[[], Publisher]
    clock: Clock

    def __call__(self, flow: Flow) -> None:
        """One receipt for each device and epoch, in chunks of what a receipt can hold."""
        numbers: dict[tuple[DeviceIdentity, str], set[int]] = defaultdict(set)
        for one in flow.confirmed:
            numbers[one.identity, one.epoch].add(one.seq)
        for (identity, epoch), seqs in numbers.items():
            topic, ordered = topic_for(identity.market, identity.device, Delivered), sorted(seqs)
            for start in range(0, len(ordered), DELIVERED_SEQS_MAX):
                chunk = tuple(ordered[start : start + DELIVERED_SEQS_MAX])
                now_unix_ms = self.clock.unix_ms()
                receipt = Delivered(epoch=epoch, seqs=chunk, store="incidents", time_unix_ms=now_unix_ms)
                self.publisher().publish(topic, receipt)
