"""One device of the load: its stalls, its outbox, and what it does when the link comes, hears and goes. No I/O."""

import random
from collections.abc import Iterable, Iterator

from contract.catalog import topic_for
from contract.delivery import Delivered
from contract.payload import BadPayloadError
from contract.presence import Presence
from contract.telemetry import AgentBatch, AnyBatch, BayBatch, PeopleBatch
from contract.topics import TopicFilter
from firmware_sim.fleet.figures import Counters, Tally
from firmware_sim.fleet.outbox import MemoryOutbox, OutboxRules, Row
from firmware_sim.fleet.plan import AGENTS, DevicePlan, Round
from firmware_sim.fleet.stalls import Agent, Backlog, Reads, as_replayed, body_of, stalls_of
from transport.packet_fields import text
from transport.packets import WillMessage, publish

AGENT_VERSION = "fleet"
_BATCHES: dict[str, type[AnyBatch]] = {"people": PeopleBatch, "bays": BayBatch, AGENTS: AgentBatch}


class FleetDevice:
    """A device. `counters` are the fleet's, `tallies` hold what each of its rounds has made."""

    def __init__(self, plan: DevicePlan, seed: int, rules: OutboxRules, counters: Counters, unix_ms: int) -> None:
        self.plan = plan
        self.tallies = tuple(Tally() for _ in plan.rounds)
        self._rules = rules
        self._counters = counters
        self._started_unix_ms = unix_ms
        self._newest_unix_ms = 0
        self._row_bytes = 0
        self._dropped_batches = 0
        self._outbox = MemoryOutbox(rules, random.Random(f"{seed}/{plan.identity.username}/backlog"))
        market, device = plan.identity.market, plan.identity.device
        self._topics = [text(str(topic_for(market, device, _BATCHES[one.kind]))) for one in plan.rounds]
        self._presence = str(topic_for(market, device, Presence))
        self.receipts = str(TopicFilter(market, device, "ack", "delivered"))
        chance = [random.Random(f"{seed}/{plan.identity.username}/{index}") for index in range(len(plan.rounds))]
        self._reads = [self._reads_of(one, own) for one, own in zip(plan.rounds, chance, strict=True)]

    def make(self, index: int, unix_ms: int) -> Row:
        """Read what a round reads and put the batch into the outbox.

        Two batches of a device never have the same time: a clock that stood still or was set back is pushed on.
        """
        self._newest_unix_ms = unix_ms = max(unix_ms, self._newest_unix_ms + 1)
        seq = self._outbox.next_seq()
        readings_count = len(self.plan.rounds[index].subjects)
        body = body_of(self.plan.epoch, seq, self._reads[index].readings(unix_ms))
        row = Row(seq, self._topics[index], body, unix_ms, readings_count)
        dropped = self._outbox.dropped_readings_count
        self._outbox.put(row)
        self.tallies[index].add(unix_ms)
        self._counters.made += readings_count
        lost = self._outbox.dropped_readings_count - dropped
        self._counters.dropped += lost
        self._dropped_batches += lost > 0
        self._row_bytes = len(body)
        return row

    def live(self, row: Row, packet_id: int, now_s: float) -> bytes:
        """The packet of a batch that was just made; empty when the window is full: then it waits its turn."""
        if not self._outbox.may_send():
            self._outbox.unsent(row)
            return b""
        return self._packet(row, row.body, packet_id, now_s)

    def due(self, now_s: float, unix_ms: int, packet_ids: Iterator[int]) -> Iterator[bytes]:
        """The packets to send now: unreceipted for too long, or made while there was no link."""
        for row in self._outbox.due(now_s):
            old = unix_ms - row.made_unix_ms > self._rules.replayed_after_s * 1000
            yield self._packet(row, as_replayed(row.body) if old else row.body, next(packet_ids), now_s)

    def connected(self, now_s: float, unix_ms: int) -> None:
        """The link is up."""
        self._outbox.connected(now_s, unix_ms)

    def heard(self, body: bytes, unix_ms: int) -> None:
        """Take a receipt: its batches are in the database, and their readings' lag is known.

        The lag ends where the receipt is heard, so it is a little longer than the way into the store.
        """
        try:
            receipt = Delivered.from_bytes(body)
        except BadPayloadError:
            self._counters.strange_receipts += 1
            return
        if receipt.epoch != self.plan.epoch or receipt.store != "readings":
            self._counters.strange_receipts += 1
            return
        for row in self._outbox.delivered(receipt.seqs):
            self._counters.receipted += row.readings_count
            self._counters.lags.add(unix_ms - row.made_unix_ms, row.readings_count)

    def birth(self, packet_id: int, unix_ms: int) -> bytes:
        """The packet that says that the device is there."""
        return publish(text(self._presence), self._said("online", unix_ms), packet_id, retain=True)

    def will(self, unix_ms: int) -> WillMessage:
        """What the broker says when the device is gone."""
        return WillMessage(self._presence, self._said("offline", unix_ms))

    def waiting(self) -> tuple[int, int | None]:
        """Readings without a receipt, and when the oldest of them were made."""
        return self._outbox.waiting_readings_count(), self._outbox.oldest_unix_ms()

    def subjects(self) -> Iterable[tuple[str, str, Tally]]:
        """(kind, subject, what was made of it) of everything that the device reads."""
        for one, tally in zip(self.plan.rounds, self.tallies, strict=True):
            for subject in one.subjects:
                yield one.kind, subject, tally

    def _reads_of(self, one: Round, chance: random.Random) -> Reads:
        if one.kind != AGENTS:
            return stalls_of(one, chance)
        return Agent(self.plan.identity.device, self._started_unix_ms, self._backlog, chance)

    def _backlog(self) -> Backlog:
        """The outbox, as its rows would be if all were as long as the newest batch."""
        rows = len(self._outbox)
        return Backlog(rows, rows * self._row_bytes, self._dropped_batches, self._outbox.oldest_unix_ms())

    def _said(self, state: str, unix_ms: int) -> bytes:
        fields = {"state": state, "epoch": self.plan.epoch, "time_unix_ms": unix_ms}
        rest = {"agent_version": AGENT_VERSION, "started_unix_ms": self._started_unix_ms}
        return Presence.model_validate(fields | rest).to_bytes()

    def _packet(self, row: Row, body: bytes, packet_id: int, now_s: float) -> bytes:
        if row.sent_count == 0:
            self._counters.sent += row.readings_count
        else:
            self._counters.resent_batches += 1
        self._outbox.sent(row, now_s)
        return publish(row.topic, body, packet_id)
