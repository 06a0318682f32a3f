"""What a fuzzer throws messages at: ingest's decode, and what must hold of it whatever the message.

Decode may not raise. Every message becomes samples, or dead letters, or both, and none of its readings is left over.
A receipt names only a number that stands in the message, and none for a device that nobody enrolled.
"""

import json
from pathlib import Path

from broker.ingest.known import KnownSeries
from broker.ingest.stages.decode import Decode
from broker.ingest.work import Work
from broker.stores.database import migrate, open_database, sqlite_url
from broker.stores.registry import MarketEntry, Named, Registry, Subject
from contract.access import DeviceIdentity
from contract.catalog import CATALOG, Channel, Role, UnknownChannelError, channel_of
from contract.payload import BadPayloadError, Payload
from contract.telemetry import Batch
from contract.topics import BadTopicError, Topic
from runtime.clock import ManualClock
from tests.contract.samples import SAMPLES, T
from transport.ports import RawMessage

MARKET, DEVICE, STRANGER = "jungang", "edge-1", "nobody"
ROWS = tuple(row for row in CATALOG if Role.INGEST in row.readers)
KNOWN = DeviceIdentity(MARKET, DEVICE)

TOPICS = (
    *(f"market/v1/{MARKET}/{DEVICE}/{row.path}" for row in CATALOG),
    f"market/v1/{MARKET}/{STRANGER}/telemetry/bays",
    f"market/v1/other/{DEVICE}/event/fire",
    f"market/v1/{MARKET}/{DEVICE}/telemetry/tea",
    "market/v2/a/b/c/d",
    "$SYS/broker",
    "",
)
"""Every channel of a known device, and what nobody may say."""

SEEDS = tuple((TOPICS.index(f"market/v1/{MARKET}/{DEVICE}/{path}"), body.to_bytes()) for path, body in SAMPLES.items())
"""A valid body of every channel, with its place in `TOPICS`."""


class DecodeTarget:
    """Ingest's first stage, with a registry in `folder` that knows one device and the subjects of the samples."""

    def __init__(self, folder: Path) -> None:
        engine = open_database(sqlite_url(folder / "central.db"))
        migrate(engine)
        registry = Registry(engine)
        registry.enrol(MarketEntry(Named(MARKET, "중앙시장", "Jungang"), devices=(DEVICE,), subjects=_subjects()))
        clock = ManualClock(T + 1000)
        self._received_unix_ms = clock.unix_ms()
        self._decode = Decode(KnownSeries(registry, clock))

    def taken(self, *messages: tuple[str, bytes]) -> Work:
        """The messages, decoded as one batch."""
        work = Work([RawMessage(topic, body) for topic, body in messages], self._received_unix_ms)
        self._decode(work)
        return work

    def check(self, topic: str, body: bytes) -> Work:
        """Decode one message alone.

        Raises:
            AssertionError: something that must hold does not.
        """
        work = self.taken((topic, body))
        row, identity = _address(topic)
        payload = None if row is None else _parsed(row, body)
        if payload is None or identity != KNOWN:
            _must(not work.samples and len(work.letters) == 1, "a message that nobody can use is one dead letter", work)
        else:
            readings = len(getattr(payload, "readings", (payload,)))
            _must(len(work.samples) + len(work.letters) == readings, "each reading is a sample or a dead letter", work)
        _must(len(work.origins) == len(work.samples), "each sample has its message", work)
        _must(len(work.refusals) == len(work.letters), "each dead letter is counted", work)
        _check_receipts(work, body, identity, payload)
        return work


def _subjects() -> tuple[Subject, ...]:
    return tuple(
        Subject(path.partition("/")[2], reading.subject, DEVICE)
        for path, payload in SAMPLES.items()
        if isinstance(payload, Batch)
        for reading in payload.readings  # type: ignore[attr-defined]  # every batch of the catalogue has readings
        if path not in {"telemetry/agents", "telemetry/gaps"}  # a device's own: nobody registers them
    )


def _address(text: str) -> tuple[Channel | None, DeviceIdentity | None]:
    try:
        topic = Topic.parse(text)
        row = channel_of(topic)
    except (BadTopicError, UnknownChannelError):  # no topic of ours: ingest must find the same
        return None, None
    return row if row in ROWS else None, DeviceIdentity(topic.market, topic.device)


def _parsed(row: Channel, body: bytes) -> Payload | None:
    if len(body) > row.bytes_max:
        return None
    try:
        return row.model.from_bytes(body)
    except BadPayloadError:  # no payload: ingest must find the same
        return None


def _check_receipts(work: Work, body: bytes, identity: DeviceIdentity | None, payload: Payload | None) -> None:
    receipted = [(who, epoch, seq) for (who, epoch), seqs in work.receipts.items() for seq in seqs]
    numbers = [(who, epoch, seq) for (who, epoch), seq in work.numbers]
    _must(len(receipted) <= 1 and len(numbers) <= 1, "a message has one number", work)
    for who, epoch, seq in (*receipted, *numbers):
        _must(who == identity == KNOWN, "only a known device is answered", work)
        _must(epoch.encode() in body and str(seq).encode() in body, "a receipt names what the message says", work)
        _must(_json_agrees(body, epoch, seq), "a receipt names the message's own number", work)
    if identity == KNOWN and isinstance(payload, Batch):
        _must(receipted == [(KNOWN, payload.epoch, payload.seq)], "a batch is receipted", work)


def _json_agrees(body: bytes, epoch: str, seq: int) -> bool:
    """Whether a body that is JSON after all has this number among its names; one that is not cannot contradict.

    A name may stand there twice: then either may count.
    """
    pairs: list[list[tuple[str, object]]] = []

    def keep(found: list[tuple[str, object]]) -> None:
        pairs.append(found)  # objects end from the inside out: the outermost is the last

    try:
        content = json.loads(body, object_pairs_hook=keep)
    except (ValueError, RecursionError):  # no JSON: nothing says otherwise
        return True
    return content is None and bool(pairs) and ("epoch", epoch) in pairs[-1] and ("seq", seq) in pairs[-1]


def _must(holds: bool, what: str, work: Work) -> None:
    if not holds:
        message = work.messages[0]
        raise AssertionError(f"{what}: topic {message.topic!r}, body {message.body[:300]!r}, {work.letters[:2]}")
