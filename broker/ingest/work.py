"""What travels through the stages: one batch of messages, and what has become of it so far."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from broker.ingest.numbers import numbers_in, sender_of
from broker.ingest.refusal import RefusalKind
from broker.series.ports import Sample
from broker.stores.dead_letters import DeadLetter
from contract.access import DeviceIdentity
from transport.ports import RawMessage

PART = "ingest"

DeviceEpoch = tuple[DeviceIdentity, str]


@dataclass(slots=True)
class Work:
    """A batch on its way. `origins[i]` is the place in `messages` of the message that `samples[i]` came from.

    `receipts` are the numbers that the devices may forget once the batch is committed; `numbers` are all that arrived,
    events included. `late_windows` are the (market, beginning of a 5-minute window in Unix milliseconds) that late or
    replayed readings touched: what was rolled up there has to be done again.
    """

    messages: Sequence[RawMessage]
    received_unix_ms: int
    samples: list[Sample] = field(default_factory=list)
    origins: list[int] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    refusals: list[RefusalKind] = field(default_factory=list)
    receipts: dict[DeviceEpoch, list[int]] = field(default_factory=lambda: defaultdict(list))
    numbers: list[tuple[DeviceEpoch, int]] = field(default_factory=list)
    readings_count: int = 0
    newest_live_unix_ms: int | None = None
    late_windows: set[tuple[str, int]] = field(default_factory=set)

    def refuse(self, index: int, kind: RefusalKind, reason: str, body: bytes | None = None) -> None:
        """Send message `index`, or the part of it in `body`, to the dead letter."""
        message = self.messages[index]
        content = message.body if body is None else body
        identity, number = sender_of(message.topic), numbers_in(message.body)
        self.refusals.append(kind)
        self.letters.append(
            DeadLetter(
                received_unix_ms=self.received_unix_ms,
                part=PART,
                reason_kind=kind.value,
                reason=_storable(reason),
                topic=_storable(message.topic),
                body=content,
                body_bytes=len(content),
                is_excerpt=body is not None,
                market=None if identity is None else identity.market,
                device=None if identity is None else identity.device,
                epoch=None if number is None else number[0],
                seq=None if number is None else number[1],
            )
        )


def _storable(text: str) -> str:
    """Text that every database takes: PostgreSQL refuses NUL, and none takes half a surrogate pair."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
