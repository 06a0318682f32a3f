"""Receipts: one for each device and epoch, never larger than the channel takes."""

from broker.ingest.stages.receipts import SEQS_PER_RECEIPT_MAX, SendReceipts
from contract.access import DeviceIdentity
from contract.catalog import channel_for
from contract.delivery import Delivered
from contract.payload import Payload
from contract.topics import Topic
from runtime.clock import ManualClock
from tests.broker.ingest.conftest import EPOCH, WorkOf


class Recorder:
    def __init__(self) -> None:
        self.sent: list[tuple[str, Delivered]] = []

    def publish(self, topic: Topic, payload: Payload) -> None:
        assert isinstance(payload, Delivered)
        self.sent.append((str(topic), payload))


def test_each_device_and_epoch_gets_its_own_with_the_central_time(work_of: WorkOf, clock: ManualClock) -> None:
    recorder = Recorder()
    work = work_of()
    work.receipts[DeviceIdentity("jungang", "pi-1"), EPOCH] += [3, 1, 3, 2]
    work.receipts[DeviceIdentity("jungang", "pi-1"), "f" * 16] += [9]
    work.receipts[DeviceIdentity("jungang", "pi-2"), EPOCH] += [1]
    clock.advance(2)  # the batch took so long: what counts is when the receipt is said
    SendReceipts(lambda: recorder, clock)(work)
    now = clock.unix_ms()
    assert recorder.sent == [
        (
            f"market/v1/jungang/{device}/ack/delivered",
            Delivered(epoch=epoch, seqs=seqs, store="readings", time_unix_ms=now),
        )
        for device, epoch, seqs in (("pi-1", EPOCH, (1, 2, 3)), ("pi-1", "f" * 16, (9,)), ("pi-2", EPOCH, (1,)))
    ]


def test_many_of_the_longest_numbers_are_split_to_fit_the_channel(work_of: WorkOf, clock: ManualClock) -> None:
    recorder = Recorder()
    work = work_of()
    numbers = list(range(2**53 - 2000, 2**53))
    work.receipts[DeviceIdentity("jungang", "pi-1"), EPOCH] += numbers
    SendReceipts(lambda: recorder, clock)(work)
    assert [seq for _, one in recorder.sent for seq in one.seqs] == numbers
    assert max(len(one.seqs) for _, one in recorder.sent) == SEQS_PER_RECEIPT_MAX
    assert max(len(one.to_bytes()) for _, one in recorder.sent) <= channel_for(Delivered).bytes_max


def test_no_receipt_for_nothing(work_of: WorkOf, clock: ManualClock) -> None:
    recorder = Recorder()
    SendReceipts(lambda: recorder, clock)(work_of())
    assert recorder.sent == []
