"""Who sent a message and under which number, read from what cannot be read otherwise."""

import re

from contract.access import DeviceIdentity
from contract.payload import BadPayloadError, Epoch, Payload, Seq
from contract.topics import BadTopicError, Topic

_IN_FRONT = re.compile(rb'\s*\{\s*"epoch"\s*:\s*"([0-9a-f]{16})"\s*,\s*"seq"\s*:\s*([1-9][0-9]{0,14})\s*,')


class _Numbered(Payload):
    epoch: Epoch
    seq: Seq


def numbers_in(body: bytes) -> tuple[str, int] | None:
    """Epoch and seq of a body that need not be valid, perhaps cut, if they can be read."""
    match = _IN_FRONT.match(body)
    if match is not None:
        return match[1].decode(), int(match[2])
    try:
        numbered = _Numbered.from_bytes(body)
    except BadPayloadError:  # no number to be read: the refusal says why
        return None
    return numbered.epoch, numbered.seq


def sender_of(topic: str) -> DeviceIdentity | None:
    """The device that a topic names, enrolled or not; `None` if it is no topic of ours."""
    try:
        parsed = Topic.parse(topic)
    except BadTopicError:  # nobody to be named: the refusal says why
        return None
    return DeviceIdentity(parsed.market, parsed.device)
