"""The people whom a device with a modem of its own tells, when the centre cannot be reached."""

from typing import Annotated, Literal

from pydantic import Field

from contract.ids import Id
from contract.payload import Count, Payload, Sha256, Text, UnixMs
from contract.signage import Name

ROSTER_PEOPLE_MAX = 100


class RosterPerson(Payload):
    """Whom to tell: of a fire at once (`fire`), and that the centre is gone or back (`centre`)."""

    name: Annotated[str, Field(max_length=80)]
    phone: Annotated[str, Field(pattern=r"^\+?[0-9]{3,15}$")]
    language: Literal["ko", "en", "zh", "ja"] = "ko"
    fire: bool = True
    centre: bool = False


class Roster(Payload):
    """A market's people for one device, and the names that its texts are made of, in letters that a phone network has.

    A higher generation replaces a lower one. `content_sha256` is the centre's name for what is in it: the device says
    it back, so that the centre knows whether it has to send another one.
    """

    market: Id
    device: Id
    generation: Annotated[int, Field(ge=1, le=2**53)]
    issued_unix_ms: UnixMs
    content_sha256: Sha256
    utc_offset_minutes: Annotated[int, Field(ge=-720, le=840)] = 540
    name: Name
    zones: Annotated[tuple[Name, ...], Field(max_length=100, strict=False)] = ()
    people: Annotated[tuple[RosterPerson, ...], Field(max_length=ROSTER_PEOPLE_MAX, strict=False)] = ()


class SignedRoster(Payload):
    """A roster's JSON text and the Ed25519 signature over exactly those bytes."""

    roster_json: Annotated[str, Field(max_length=60_000)]
    key_id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    signature_base64: Annotated[str, Field(max_length=100)]
    generation: Count


class RosterReport(Payload):
    """Which roster a device with a modem holds (0: none yet), and why not a newer one."""

    generation: Count
    content_sha256: Sha256 | None = None
    people_count: Count = 0
    state: Literal["active", "rejected"]
    reason: Text = ""
    time_unix_ms: UnixMs
