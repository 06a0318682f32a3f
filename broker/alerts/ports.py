"""The notifier port: one way to get a text to a phone, and what a provider may answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable
from urllib.parse import parse_qsl

from runtime.errors import FatalError, RetryableError


class ProviderUnavailableError(RetryableError):
    """The provider did not take the message, and certainly will not send it: another provider, or later again."""


class AmbiguousSendError(RetryableError):
    """The provider may have taken the message: send it again nevertheless, a duplicate beats silence."""


class RefusedMessageError(FatalError):
    """The provider will never take this message (its number, its text): only another provider might."""


class BadReceiptError(FatalError):
    """A delivery receipt that is not one of ours."""


class BadReplyError(FatalError):
    """A call of the reply address that does not carry a reply, or not from whom it should come."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What is handed to a provider. `message_id` is ours and comes back in receipts.

    `recipient` is a phone number as the roster keeps it; on other channels than `sms` the channel's own address.
    """

    message_id: int
    recipient: str
    text: str
    channel: str = "sms"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took it: not yet a delivery. `reference` is what the provider or we know this sending by."""

    reference: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a provider said later. `state` is delivered, failed, or accepted for steps in between."""

    message_id: int
    state: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a person answered by SMS. `reference` is the provider's own number of it: the same reply twice is one."""

    reference: str
    sender: str
    text: str


@dataclass(frozen=True, slots=True)
class Balance:
    """What is left at a provider, in `unit` (KRW, USD, …); `low` by the limit in the notifier's settings."""

    amount: float
    unit: str
    low: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A provider's HTTP call to us, as it came: what a signature is over. Header names are in lower case."""

    query_string: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def query(self) -> Mapping[str, str]:
        """The parameters in the address, read as UTF-8; of a name given twice the last."""
        return dict(parse_qsl(self.query_string, keep_blank_values=True))


class Notifier(Protocol):
    """One provider. `send` is called from several threads at once and returns or raises within 7 seconds."""

    @property
    def name(self) -> str:
        """Its kind: stored with each message, shown in the console."""
        ...

    @property
    def channels(self) -> frozenset[str]:
        """What it carries: `sms`, `webhook`, `apprise`. It gets messages of these channels only."""
        ...

    @property
    def carries_unicode(self) -> bool:
        """Whether letters that EUC-KR does not have (Chinese, Japanese) arrive as they are written."""
        ...

    def send(self, message: Outgoing) -> Accepted:
        """Hand one text over.

        Raises:
            ProviderUnavailableError: not taken.
            AmbiguousSendError: perhaps taken.
            RefusedMessageError: never to be taken.
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


@runtime_checkable
class Receipting(Protocol):
    """A notifier whose provider calls back over HTTP with delivery receipts."""

    @property
    def receipts_port(self) -> int:
        """The loopback port on which the provider's calls are awaited."""
        ...

    def receipt(self, call: Call) -> Receipt:
        """Read a call of `/receipts/<name>`.

        Raises:
            BadReceiptError: not one of ours, or its signature is wrong.
        """
        ...


@runtime_checkable
class Replying(Protocol):
    """A notifier whose provider calls back over HTTP with what people answer."""

    @property
    def receipts_port(self) -> int:
        """The loopback port on which the provider's calls are awaited."""
        ...

    def reply(self, call: Call) -> Reply:
        """Read a call of `/replies/<name>`.

        Raises:
            BadReplyError: no reply, or its signature is wrong.
        """
        ...


@runtime_checkable
class Collecting(Protocol):
    """A notifier whose receipts and replies are fetched: nobody calls."""

    def collect(self, note: Callable[[Receipt | Reply], None]) -> None:
        """Hand over what has come since; called by one thread every few seconds, waits at most 7 s for each answer.

        A thing is forgotten only after `note` has returned: what it raises passes through, and the thing comes again.

        Raises:
            RetryableError: the provider does not answer: again later.
        """
        ...


@runtime_checkable
class Balanced(Protocol):
    """A notifier whose provider is paid in advance."""

    def balance(self) -> Balance:
        """Ask what is left; returns or raises within 7 seconds.

        Raises:
            RetryableError: the provider does not say: again later.
        """
        ...
