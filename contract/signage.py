"""Signage: the manifest that a screen device shows, signed and numbered by generation."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contract.hours import WHOLE_WEEK, Minute, Weekdays
from contract.ids import Id
from contract.payload import Count, Payload, Sha256, UnixMs

FILE_BYTES_MAX = 50_000_000

MediaType = Literal["image/png", "image/jpeg", "image/webp"]


class FileRef(Payload):
    """A file that the manifest needs: fetched by its hash from the console, checked against size and hash."""

    sha256: Sha256
    size_bytes: Annotated[int, Field(ge=1, le=FILE_BYTES_MAX)]
    media_type: MediaType


class Name(Payload):
    """What people call a market, zone or lot: a screen shows this, not the id."""

    id: Id
    ko: Annotated[str, Field(max_length=80)]
    en: Annotated[str, Field(max_length=80)]


class Item(Payload):
    """One thing on the screen for `duration_s`."""

    item: Id
    kind: Literal["notice", "occupancy"]
    title: Annotated[str, Field(max_length=80)] = ""
    text: Annotated[str, Field(max_length=500)] = ""
    picture_sha256: Sha256 | None = None
    duration_s: Annotated[float, Field(ge=1, le=3600, allow_inf_nan=False)] = 10.0


class Playlist(Payload):
    """Items that play in turn."""

    playlist: Id
    items: Annotated[tuple[Item, ...], Field(min_length=1, max_length=200, strict=False)]


class Slot(Payload):
    """When a playlist plays: weekdays (1 = Monday … 7 = Sunday), minutes of the local day, validity, priority.

    `from_minute` equal to `to_minute` means the whole day; a `to_minute` before `from_minute` runs past midnight and
    belongs to the day on which it starts.
    """

    slot: Id
    playlist: Id
    days: Weekdays = WHOLE_WEEK
    from_minute: Minute = 0
    to_minute: Minute = 0
    valid_from_unix_ms: UnixMs | None = None
    valid_until_unix_ms: UnixMs | None = None
    priority: Annotated[int, Field(ge=0, le=100)] = 0


class Manifest(Payload):
    """Everything a device's screens show, and the files it takes. A higher generation replaces a lower one."""

    market: Id
    device: Id
    generation: Annotated[int, Field(ge=1, le=2**53)]
    issued_unix_ms: UnixMs
    utc_offset_minutes: Annotated[int, Field(ge=-720, le=840)] = 540
    market_name: Name | None = None
    zones: Annotated[tuple[Name, ...], Field(max_length=100, strict=False)] = ()
    lots: Annotated[tuple[Name, ...], Field(max_length=100, strict=False)] = ()
    files: Annotated[tuple[FileRef, ...], Field(max_length=500, strict=False)] = ()
    playlists: Annotated[tuple[Playlist, ...], Field(max_length=100, strict=False)] = ()
    slots: Annotated[tuple[Slot, ...], Field(max_length=500, strict=False)] = ()

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        names = {playlist.playlist for playlist in self.playlists}
        files = {file.sha256 for file in self.files}
        for slot in self.slots:
            if slot.playlist not in names:
                raise ValueError(
                    f"slot {slot.slot!r} plays playlist {slot.playlist!r}, which the manifest does not have"
                )
        for playlist in self.playlists:
            for item in playlist.items:
                if item.picture_sha256 is not None and item.picture_sha256 not in files:
                    raise ValueError(f"item {item.item!r} shows a picture that is not among the manifest's files")
        return self


class SignedManifest(Payload):
    """A manifest's JSON text and the Ed25519 signature over exactly those bytes."""

    manifest_json: Annotated[str, Field(max_length=200_000)]
    key_id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    signature_base64: Annotated[str, Field(max_length=100)]
    generation: Count
