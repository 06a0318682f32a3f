"""Fourth stage: tell the devices what is in the store now, so that they may forget it."""

from collections.abc import Callable

from broker.ingest.work import Work
from contract.catalog import topic_for
from contract.delivery import Delivered
from runtime.clock import Clock
from transport.ports import Publisher

SEQS_PER_RECEIPT_MAX = 800  # as many of the longest numbers as fit into the channel's 16 KB


class SendReceipts:
    """Publishes one `Delivered` for each device and epoch of the batch, several when there are many numbers.

    Each carries the central time at which it is said: a device holds its own clock against it. A receipt that is lost
    on the way costs a resend, which is stored over itself and receipted again.
    """

    def __init__(self, publisher: Callable[[], Publisher], clock: Clock) -> None:
        self._publisher = publisher
        self._clock = clock

    def __call__(self, work: Work) -> None:
        """Queue the receipts; does not wait for the broker."""
        for (identity, epoch), seqs in work.receipts.items():
            topic = topic_for(identity.market, identity.device, Delivered)
            unique, now = sorted(set(seqs)), self._clock.unix_ms()
            for start in range(0, len(unique), SEQS_PER_RECEIPT_MAX):
                part = tuple(unique[start : start + SEQS_PER_RECEIPT_MAX])
                receipt = Delivered(epoch=epoch, seqs=part, store="readings", time_unix_ms=now)
                self._publisher().publish(topic, receipt)
