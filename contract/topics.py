"""Topics: `market/v1/<market>/<device>/<channel>/<name>`, printed and parsed in one place."""

from dataclasses import dataclass

from contract.ids import BadIdError, check_id

ROOT = "market"
VERSION = "v1"
LEVELS = 6
WILDCARD = "+"


class BadTopicError(ValueError):
    """A topic that is not one of ours; the sentence says what is wrong with it."""


@dataclass(frozen=True, slots=True, order=True)
class Topic:
    """One address on the bus. Every level is an id, so no value can add, drop or rename a level.

    Raises:
        BadIdError: a level is not an id.
    """

    market: str
    device: str
    channel: str
    name: str

    def __post_init__(self) -> None:
        check_id(self.market, "market")
        check_id(self.device, "device")
        check_id(self.channel, "channel")
        check_id(self.name, "name")

    def __str__(self) -> str:
        return f"{ROOT}/{VERSION}/{self.market}/{self.device}/{self.channel}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> "Topic":
        """Read a topic as it came over the wire.

        Raises:
            BadTopicError: it is not `market/v1/<market>/<device>/<channel>/<name>`.
        """
        levels = text.split("/")
        if len(levels) != LEVELS or levels[0] != ROOT or levels[1] != VERSION:
            raise BadTopicError(f"topic {text[:200]!r} is not {ROOT}/{VERSION}/<market>/<device>/<channel>/<name>")
        try:
            return cls(*levels[2:])
        except BadIdError as error:
            raise BadTopicError(f"topic {text[:200]!r}: {error}") from error


@dataclass(frozen=True, slots=True)
class TopicFilter:
    """A subscription: each level an id or `None` for any.

    Raises:
        BadIdError: a level is neither.
    """

    market: str | None = None
    device: str | None = None
    channel: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        for what in ("market", "device", "channel", "name"):
            level = getattr(self, what)
            if level is not None:
                check_id(level, what)

    def __str__(self) -> str:
        levels = (self.market, self.device, self.channel, self.name)
        return "/".join((ROOT, VERSION, *(level or WILDCARD for level in levels)))

    def matches(self, topic: Topic) -> bool:
        """Whether `topic` would be delivered to this subscription."""
        pairs = (
            (self.market, topic.market),
            (self.device, topic.device),
            (self.channel, topic.channel),
            (self.name, topic.name),
        )
        return all(wanted is None or wanted == level for wanted, level in pairs)
