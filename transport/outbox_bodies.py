"""Bodies as the outbox keeps them: packed small, checked when they are read, and given their true time once.

A packed body is a zlib stream (RFC 1950) with a preset dictionary of what the contract's payloads have in common; its
checksum finds a damaged body. A body that begins with `{` is JSON as it is: files of format 1 hold such.
"""

import json
import zlib
from dataclasses import dataclass
from typing import TypeAlias

from contract.events import Event
from contract.ids import CLOCK_FLOOR_UNIX_MS
from contract.payload import Payload
from contract.telemetry import AnyBatch

LEVEL = 6
BODY_BYTES_MAX = 1_048_576  # more than any channel may carry: a damaged stream cannot fill the memory

Json: TypeAlias = "dict[str, Json] | list[Json] | str | float | bool | None"

# Part of the file format: a change makes every packed body unreadable. What is likeliest stands last.
_DICTIONARY = (
    b'{"epoch":"0123456789abcdef","seq":1,"event_id":"","time_unix_ms":17,"clock_set":true,"phase":"raised",'
    b'"phase":"ongoing","phase":"cleared","zone":"","camera":"cam-1","score":0.9,"first_seen_unix_ms":17,'
    b'"decided_unix_ms":17,"media_position_s":null,"alarm_sounded":true}"kind":"component","subject":"",'
    b'"reason":"sensor-error","reason":"no-echo","reason":"stale","reason":"frozen","detail":""'
    b'"agent":"","uptime_s":1.0,"rss_bytes":6,"cpu_share":0.01,"outbox_rows":1,"outbox_bytes":1,"outbox_dropped_count":0,'
    b'"outbox_oldest_age_s":0.1,"clock_source":"synchronised","clock_skew_ms":0.0}]}'
    b'"device":"","gap_epoch":"","first_seq":1,"last_seq":1,"from_unix_ms":17,"until_unix_ms":17,"batches_count":1,'
    b'"readings_count":1,"cause":"outbox-full"'
    b'"screen":"screen-1","showing":"occupancy","item":null,"generation":1,"siren":"siren-1","sounding":false,'
    b'"silenced":false,"frame_age_s":0.1,"fps":10.0,"fire_score":0.0,"fire":"quiet"},'
    b'"state":"live","counter":"","in_count":1,"out_count":1},"state":"live","gate":"gate-1","lot":"lot-1","in_count":1,'
    b'"out_count":1},{"time_unix_ms":17,"reason":"clock-unset","detail":null,"state":"unknown","bay":"b-1","lot":"lot-1",'
    b'"confidence":1.0,"distance_mm":null,"since_unix_ms":17},'
    b'{"time_unix_ms":17,"reason":null,"detail":null,"state":"occupied","bay":"b-1","lot":null,"confidence":1.0,'
    b'"distance_mm":1500.0,"since_unix_ms":17}]}'
    b'{"epoch":"0123456789abcdef","seq":1,"replayed":false,"readings":[{"time_unix_ms":17,"reason":null,"detail":null,'
    b'"state":"free","bay":"a-01","lot":"lot-1","confidence":1.0,"distance_mm":1500.0,"since_unix_ms":17'
)


class DamagedBodyError(ValueError):
    """The bytes are not what was stored."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a body holds: how many readings, and when the first and the last of them (or the event) was made."""

    readings_count: int
    from_unix_ms: int
    until_unix_ms: int


def made_of(payload: Payload) -> Made:
    """The facts about a payload that its gap record would need."""
    if isinstance(payload, AnyBatch):
        times = [reading.time_unix_ms for reading in payload.readings]
        return Made(len(times), min(times), max(times))
    time_unix_ms = payload.time_unix_ms if isinstance(payload, Event) else 0
    return Made(0, time_unix_ms, time_unix_ms)


def made_in(kept: bytes, otherwise_unix_ms: int) -> Made:
    """The same from a stored body; one that cannot be read counts as made at `otherwise_unix_ms`."""
    try:
        found: Json = json.loads(unpack(kept))
    except ValueError:  # damaged: the caller has a time instead, and names it
        found = None
    readings = found.get("readings") if isinstance(found, dict) else None
    rows = readings if isinstance(readings, list) else []
    stamps = [row.get("time_unix_ms") for row in rows if isinstance(row, dict)]
    times = [int(stamp) for stamp in stamps if isinstance(stamp, int)] or [otherwise_unix_ms]
    return Made(len(rows), min(times), max(times))


def pack(body: bytes) -> bytes:
    """The body as it is kept."""
    packer = zlib.compressobj(LEVEL, zdict=_DICTIONARY)
    return packer.compress(body) + packer.flush()


def unpack(kept: bytes) -> bytes:
    """The body as it was.

    Raises:
        DamagedBodyError: it was stored packed and its checksum is wrong.
    """
    if kept.startswith(b"{"):
        return kept
    unpacker = zlib.decompressobj(zdict=_DICTIONARY)
    try:
        body = unpacker.decompress(kept, BODY_BYTES_MAX)
    except zlib.error as error:
        raise DamagedBodyError(str(error)) from error
    if not unpacker.eof:
        raise DamagedBodyError("the stream has no end")
    return body


def is_since_boot(unix_ms: int) -> bool:
    """Whether a time is milliseconds since a boot: no true time lies before 2025, no boot lasts for fifty years."""
    return unix_ms < CLOCK_FLOOR_UNIX_MS


def with_true_times(body: bytes, offset_ms: int) -> bytes:
    """A body of an unset clock with `offset_ms` added to its times.

    Every `*_unix_ms` that is milliseconds since boot is moved; a true time from before the boot stays. An event that
    said `clock_set` false now says true.
    """
    found: Json = json.loads(body)
    if isinstance(found, dict) and "clock_set" in found:
        found["clock_set"] = True
    return json.dumps(_moved(found, offset_ms), ensure_ascii=False, separators=(",", ":")).encode()


def renumbered(body: bytes, epoch: str, seq: int) -> bytes:
    """A body under another number.

    Raises:
        DamagedBodyError: it is not the JSON of a payload.
    """
    try:
        found: Json = json.loads(body)
    except ValueError as error:
        raise DamagedBodyError(str(error)) from error
    if not isinstance(found, dict):
        raise DamagedBodyError("not an object")
    return json.dumps({**found, "epoch": epoch, "seq": seq}, ensure_ascii=False, separators=(",", ":")).encode()


def _moved(value: Json, offset_ms: int) -> Json:
    if isinstance(value, list):
        return [_moved(one, offset_ms) for one in value]
    if isinstance(value, dict):
        return {key: _moved_field(key, one, offset_ms) for key, one in value.items()}
    return value


def _moved_field(key: str, value: Json, offset_ms: int) -> Json:
    if key.endswith("_unix_ms") and isinstance(value, int) and is_since_boot(value):
        return max(0, value + offset_ms)
    return _moved(value, offset_ms)
