from itertools import count

import pytest

from contract.delivery import Delivered
from contract.payload import Payload
from contract.presence import Presence
from contract.telemetry import AgentBatch, BayBatch, PeopleBatch
from firmware_sim.fleet.device import FleetDevice
from firmware_sim.fleet.figures import Counters, Tally
from firmware_sim.fleet.outbox import OutboxRules
from firmware_sim.fleet.plan import FleetPlan
from transport.packets import PacketReader, Publish, publish_of

START_MS = 1_790_000_000_000
PLAN = FleetPlan(markets=1, stalls=6, batch=3)


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def device(counters: Counters) -> FleetDevice:
    return FleetDevice(PLAN.fleet[0], 1, OutboxRules(rows_max=5, backlog_per_s=100), counters, START_MS)


def messages(data: bytes) -> list[Publish]:
    return [publish_of(packet) for packet in PacketReader().feed(data)]


def receipt(device: FleetDevice, *seqs: int, epoch: str | None = None, store: str = "readings") -> bytes:
    fields = {"epoch": epoch or device.plan.epoch, "seqs": seqs, "store": store}
    return Delivered.model_validate(fields).to_bytes()


def test_a_batch_is_kept_until_its_receipt_and_its_lag_is_noted(device: FleetDevice, counters: Counters) -> None:
    device.connected(0.0, START_MS)
    row = device.make(0, START_MS)
    (message,) = messages(device.live(row, 5, 0.0))
    batch = PeopleBatch.from_bytes(message.body)
    assert message.topic == "market/v1/fleet-00001/gw-1/telemetry/people"
    assert (batch.epoch, batch.seq, batch.replayed, message.packet_id) == (device.plan.epoch, 1, False, 5)
    assert device.waiting() == (3, START_MS)
    device.heard(receipt(device, 1), START_MS + 250)
    assert device.waiting() == (0, None)
    assert (counters.made, counters.sent, counters.receipted, counters.lags.count) == (3, 3, 3, 3)
    assert counters.lags.percentile_ms(1.0) == 250
    device.heard(receipt(device, 1), START_MS + 900)
    assert counters.receipted == 3, "a receipt that comes twice counts once"


@pytest.mark.parametrize("wrong", [{"epoch": "f" * 16}, {"store": "incidents"}])
def test_a_receipt_that_is_not_for_this_outbox_frees_nothing(
    device: FleetDevice, counters: Counters, wrong: dict[str, str]
) -> None:
    device.make(0, START_MS)
    device.heard(receipt(device, 1, **wrong), START_MS)
    device.heard(b"not a receipt", START_MS)
    assert device.waiting()[0] == 3
    assert counters.strange_receipts == 2


def test_what_was_made_without_a_link_follows_marked_as_history_when_it_is_old(
    device: FleetDevice, counters: Counters
) -> None:
    device.make(0, START_MS)
    device.make(1, START_MS + 5_000)
    device.connected(100.0, START_MS + 31_000)
    sent = b"".join(device.due(120.0, START_MS + 31_000, count(1)))
    found = [
        (PeopleBatch.from_bytes(one.body) if "people" in one.topic else BayBatch.from_bytes(one.body))
        for one in messages(sent)
    ]
    assert [(one.seq, one.replayed) for one in found] == [(2, False), (1, True)], "what is live goes first"
    assert (counters.sent, counters.resent_batches) == (6, 0)
    device.connected(200.0, START_MS + 31_000)
    list(device.due(220.0, START_MS + 31_000, count(1)))
    assert counters.resent_batches == 2


def test_what_the_outbox_drops_is_counted_as_lost(device: FleetDevice, counters: Counters) -> None:
    for number in range(7):
        device.make(0, START_MS + number)
    assert (counters.made, counters.dropped, device.waiting()[0]) == (21, 6, 15)


def test_the_tallies_hold_every_time_once_even_when_the_clock_stands(device: FleetDevice) -> None:
    for at_ms in (START_MS, START_MS, START_MS - 5_000):
        device.make(0, at_ms)
    found = {subject: tally for kind, subject, tally in device.subjects() if kind == "people"}
    assert set(found) == {"stall-0001", "stall-0002", "stall-0003"}
    assert found["stall-0001"] == Tally.of([START_MS, START_MS + 1, START_MS + 2])


def test_a_device_says_of_itself_what_its_outbox_holds(device: FleetDevice) -> None:
    assert [one.kind for one in device.plan.rounds] == ["people", "bays", "agents"]
    for number in range(7):
        row = device.make(0, START_MS + number)
    (one,) = AgentBatch.from_bytes(device.make(2, START_MS + 60_000).body).readings
    assert (one.agent, one.uptime_s, one.outbox_oldest_age_s) == ("gw-1", 60.0, 60.0)
    assert (one.outbox_rows, one.outbox_dropped_count, one.outbox_bytes) == (5, 2, 5 * len(row.body))
    device.heard(receipt(device, *range(1, 9)), START_MS + 61_000)
    (after,) = AgentBatch.from_bytes(device.make(2, START_MS + 70_000).body).readings
    assert (after.outbox_rows, after.outbox_bytes, after.outbox_oldest_age_s) == (0, 0, 0.0)
    found = {(kind, subject): tally for kind, subject, tally in device.subjects()}
    assert found["agents", "gw-1"] == Tally.of([START_MS + 60_000, START_MS + 70_000])


def test_birth_and_will_are_presences_of_the_device(device: FleetDevice) -> None:
    (birth,) = messages(device.birth(1, START_MS + 7))
    will = device.will(START_MS)
    said: list[Payload] = [Presence.from_bytes(birth.body), Presence.from_bytes(will.body)]
    assert [one.state for one in said if isinstance(one, Presence)] == ["online", "offline"]
    assert (birth.retain, birth.topic) == (True, will.topic)
