"""The direct link's datagram: what a device tells the others, under the market's key. Pure.

Freshness does not rest on clocks, because a Raspberry Pi without network does not know the time. Every device draws a
session id when it starts. A datagram carries the receiver's session id as the sender last heard it, and a number that
only grows: an old recording has another session or an old number. A stranger's first datagram is therefore never
acted on; it is answered, and the answer lets the stranger send one that counts.
"""

import hashlib
import hmac
from typing import Annotated

from pydantic import Field, ValidationError

from contract.ids import Id
from contract.payload import Payload, UnixMs
from edge.ports import ActiveFire

MAC_BYTES = 32
DATAGRAM_BYTES_MAX = 4096
FIRES_TOLD_MAX = 8
PURPOSE = b"jangteo-fire-link-1\0"

SessionId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class BadDatagramError(ValueError):
    """A datagram that is not one of this market's devices'."""


class ToldFire(Payload):
    """One active fire of the sender's own cameras."""

    event_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    zone: Id
    camera: Id
    since_unix_ms: UnixMs


class LinkMessage(Payload):
    """A device's state: who it is, in which session, whose session it has heard, and all its active fires."""

    market: Id
    device: Id
    session: SessionId
    number: Annotated[int, Field(ge=1, le=2**53)]
    heard_session: SessionId | None = None
    fires: Annotated[tuple[ToldFire, ...], Field(max_length=FIRES_TOLD_MAX, strict=False)] = ()

    def active(self) -> tuple[ActiveFire, ...]:
        """The fires as the alarm knows them."""
        return tuple(
            ActiveFire(one.since_unix_ms, one.event_id, self.device, one.zone, one.camera) for one in self.fires
        )


def seal(message: LinkMessage, key: bytes) -> bytes:
    """The datagram: HMAC-SHA256 (RFC 2104) over the purpose and the body, then the body."""
    body = message.to_bytes()
    return _mac(body, key) + body


def unseal(datagram: bytes, key: bytes) -> LinkMessage:
    """The message inside.

    Raises:
        BadDatagramError: too long, not under this key, or not a message.
    """
    mac, body = datagram[:MAC_BYTES], datagram[MAC_BYTES:]
    if len(datagram) > DATAGRAM_BYTES_MAX or not hmac.compare_digest(mac, _mac(body, key)):
        raise BadDatagramError("not under the market's key")
    try:
        return LinkMessage.model_validate_json(body)
    except ValidationError as error:
        raise BadDatagramError(
            f"under the market's key but of another version: {error.error_count()} faults"
        ) from error


def _mac(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, PURPOSE + body, hashlib.sha256)
