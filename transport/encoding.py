"""From a typed payload to bytes on a topic, checked against the catalogue."""

from contract.catalog import Channel, UnknownChannelError, channel_of
from contract.payload import Payload
from contract.topics import Topic
from runtime.errors import FatalError


class PayloadTooLargeError(FatalError):
    """A body that is over its channel's bound: it will never travel, so split it or leave it out."""


def encode(topic: Topic, payload: Payload) -> tuple[Channel, bytes]:
    """The catalogue's row for `topic` and the body.

    Raises:
        contract.catalog.UnknownChannelError: the topic is not in the catalogue, or this model does not travel on it.
        PayloadTooLargeError: the body is longer than the channel's `bytes_max`.
    """
    row = channel_of(topic)
    if type(payload) is not row.model:
        raise UnknownChannelError(f"{row.path} carries {row.model.__name__}, not {type(payload).__name__}")
    body = payload.to_bytes()
    if len(body) > row.bytes_max:
        raise PayloadTooLargeError(
            f"{topic}: a body of {len(body)} bytes is over the {row.bytes_max} that {row.path} may carry"
        )
    return row, body
