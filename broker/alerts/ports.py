"""The notifier port: one way to get a text to a phone, and what a provider may answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from runtime.errors import FatalError, RetryableError


class ProviderUnavailableError(RetryableError):
    """The provider did not take the message, and certainly will not send it: another provider, or later again."""


class AmbiguousSendError(RetryableError):
    """The provider may have taken the message: send it again nevertheless, a duplicate beats silence."""


class RefusedMessageError(FatalError):
    """The provider will never take this message (its number, its text): only another provider might."""


class BadReceiptError(FatalError):
    """A delivery receipt that is not one of ours."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What is handed to a provider. `message_id` is ours and comes back in receipts."""

    message_id: int
    recipient: str
    text: str


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


class Notifier(Protocol):
    """One provider. `send` is called from several threads at once and returns or raises within 7 seconds."""

    @property
    def name(self) -> str:
        """Its kind: stored with each message, shown in the console."""
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
        """The loopback port on which receipts are awaited."""
        ...

    def receipt(self, query: Mapping[str, str]) -> Receipt:
        """Read a receipt's query parameters.

        Raises:
            BadReceiptError: not one of ours.
        """
        ...
