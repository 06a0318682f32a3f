"""Receipts and commands."""

from typing import Annotated, Literal

from pydantic import Field

from contract.ids import Id
from contract.payload import Epoch, Payload, Seq, Text, UnixMs

DELIVERED_SEQS_MAX = 1000


class Delivered(Payload):
    """These numbers of the device's are now in a store; the device may forget what needed that store.

    `time_unix_ms` is the central clock when it was said: a device holds its own clock against it.
    """

    epoch: Epoch
    seqs: Annotated[tuple[Seq, ...], Field(min_length=1, max_length=DELIVERED_SEQS_MAX, strict=False)]
    store: Literal["readings", "incidents"]
    time_unix_ms: UnixMs | None = None


class Command(Payload):
    """What the console tells a device to do. Runs once, not after its expiry, only if signed."""

    command_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    market: Id
    device: Id
    issued_unix_ms: UnixMs
    expires_unix_ms: UnixMs
    signature_base64: Annotated[str, Field(max_length=100)]

    def signed_bytes(self) -> bytes:
        """What the signature covers: every field but itself."""
        return self.model_dump_json(exclude={"signature_base64"}).encode()


class SirenCommand(Command):
    """Silence a sounding siren; alarm and screens stay."""

    action: Literal["silence"]


class CommandReply(Payload):
    """What became of a command."""

    command_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    outcome: Literal["done", "refused", "expired"]
    reason: Text = ""
    time_unix_ms: UnixMs
