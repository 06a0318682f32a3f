"""A device's settings: one YAML file, every block a model, every rule between blocks a sentence."""

import ipaddress
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, Union

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from contract.access import DeviceIdentity
from contract.cameras import DRILL_SOUND_S
from contract.ids import Id
from edge.cameras.settings import FireSettings
from edge.gpio import Pin, check_pull
from edge.plugins import SensorSettings, discover
from runtime.settings_file import MisplacedError, SettingsModel
from transport.settings import BrokerBlock, Port

if TYPE_CHECKING:
    AnySensor = SensorSettings
else:
    # One model per plugin file, told apart by `kind`.
    _MODELS = tuple(plugin.settings for plugin in discover().values())
    AnySensor = Annotated[Union[_MODELS], Field(discriminator="kind")]  # noqa: UP007 - a union made at run time


def _source_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class CameraSettings(SettingsModel):
    """A fire camera.

    `source` is a V4L2 index ("0"), an rtsp:// or http:// address, "picamera" for a Raspberry Pi's own, or the path of a
    video or image. With `private_stills` the pictures of a fire are replaced, once it is over, by ones in which nobody
    can be known.
    """

    name: Id
    zone: Id
    source: Annotated[str, Field(min_length=1), BeforeValidator(_source_text)]
    loop: bool = False
    private_stills: bool = False
    fire: FireSettings = FireSettings()


class ScreenSettings(SettingsModel):
    """A screen: the page `/screen/<name>` that the player serves."""

    name: Id
    zone: Id


class PlayerSettings(SettingsModel):
    """The player's pages. They are served on loopback only, to the browser on this device."""

    port: Port = 8611


class SirenSettings(SettingsModel):
    """A siren on a relay. With `active_high: false` the relay closes when the pin is low."""

    name: Id
    zone: Id
    pin: Pin
    active_high: bool = True


class ButtonSettings(SettingsModel):
    """A button by which people on the spot acknowledge fires: held for `hold_s`, between its pin and ground.

    It stands for the fires of its `zone`, without one for those of the whole market. With `active_high: true` it
    connects the pin to 3.3 V instead.
    """

    name: Id
    zone: Id | None = None
    pin: Pin
    active_high: bool = False
    hold_s: Annotated[float, Field(ge=0.3, le=5.0)] = 1.0
    silences_sirens: bool = False

    @model_validator(mode="after")
    def _pulls_as_wired(self) -> Self:
        check_pull({"pin": self.pin}, active_high=self.active_high)
        return self


class ModemSettings(SettingsModel):
    """A modem of this device's own (gammu-smsd), by which it tells people when the centre cannot be reached.

    `folder` holds gammu-smsd's inbox, outbox, sent and error; `pid_file` is what its `--pid` names. A fire that the
    centre has not confirmed after `wait_s` is told from here. Without a link to the broker for `centre_gone_after_s`
    the market's managers are told so.
    """

    folder: Path = Path("/var/spool/gammu")
    pid_file: Path = Path("/run/gammu-smsd.pid")
    stuck_after_s: Annotated[float, Field(ge=30, le=3600)] = 120.0
    wait_s: Annotated[float, Field(ge=0, le=300)] = 10.0
    centre_gone_after_s: Annotated[float, Field(ge=60, le=86_400)] = 600.0


class Endpoint(SettingsModel):
    """A UDP address, written `host:port`."""

    host: str
    port: Port

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:  # noqa: ANN401 - pydantic hands over whatever the file holds
        if not isinstance(value, str):
            return value
        host, _, port = value.rpartition(":")
        try:
            address = ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            raise ValueError(f"{value!r} is not an address: write it as 192.168.0.12:47801") from None
        if not port.isdigit():
            raise ValueError(f"{value!r} has no port: write it as {host}:47801")
        return {"host": str(address), "port": int(port)}

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class SafetySettings(SettingsModel):
    """The direct link between the devices of one market: UDP datagrams under the market's key. Off when absent."""

    listen: Endpoint
    peers: Annotated[tuple[Endpoint, ...], Field(max_length=64)] = ()
    key_file: Path

    @model_validator(mode="after")
    def _names_its_address(self) -> Self:
        if ipaddress.ip_address(self.listen.host).is_unspecified:
            raise ValueError(
                f"listen {self.listen} is every network this device is in: name the one address in the market's network"
            )
        if self.listen in self.peers:
            raise ValueError(f"peers has this device's own address {self.listen}: list the other devices only")
        return self


class OutboxSettings(SettingsModel):
    """How much a device keeps while nobody takes it, and for how long.

    Over either bound the oldest telemetry goes and leaves a gap record; alarms never go.
    """

    bytes_max: Annotated[int, Field(ge=1_000_000, le=100_000_000_000)] = 200_000_000
    age_s_max: Annotated[float, Field(ge=3600.0, le=315_360_000.0)] = 2_592_000.0


class ClockSettings(SettingsModel):
    """Where the device's time comes from. `trusted`: the machine's clock is right from the start, whoever keeps it."""

    source: Literal["auto", "trusted"] = "auto"
    skew_s_max: Annotated[float, Field(ge=0.5, le=60.0)] = 5.0


class DeviceBlock(SettingsModel):
    """What a device has: the part of its settings that a site file holds for each of its devices."""

    device: Id
    sensors: Annotated[tuple[AnySensor, ...], Field(max_length=64)] = ()
    cameras: Annotated[tuple[CameraSettings, ...], Field(max_length=8)] = ()
    screens: Annotated[tuple[ScreenSettings, ...], Field(max_length=8)] = ()
    player: PlayerSettings = PlayerSettings()
    sirens: Annotated[tuple[SirenSettings, ...], Field(max_length=8)] = ()
    buttons: Annotated[tuple[ButtonSettings, ...], Field(max_length=4)] = ()
    drill_siren: Annotated[
        bool,
        Field(
            description="Whether this device's sirens sound, for "
            f"{DRILL_SOUND_S} s, when one of its cameras confirms a drill's flame."
        ),
    ] = False
    safety: SafetySettings | None = None
    modem: ModemSettings | None = None
    outbox: OutboxSettings = OutboxSettings()
    clock: ClockSettings = ClockSettings()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        self._check_names()
        self._check_counts()
        self._check_pins()
        return self

    def _check_counts(self) -> None:
        for kind, count in Counter(sensor.kind for sensor in self.sensors).items():
            most = discover()[kind].count_max
            if count > most:
                raise MisplacedError(
                    f"{count} sensors of kind {kind}: one device has pins for at most {most}", "sensors"
                )

    def _check_names(self) -> None:
        first: dict[str, str] = {}
        for block, place, name in self._named():
            if name in first:
                raise MisplacedError(
                    f"the name {name!r} is taken by {first[name]}: give every part of a device its own",
                    block,
                    place,
                    "name",
                )
            first[name] = f"{block}[{place}]"

    def _check_pins(self) -> None:
        users: dict[int, str] = {}
        for user, pin, location in self._pin_users():
            if pin in users:
                raise MisplacedError(f"pin {pin} is used twice: by {users[pin]} and by {user}", *location)
            users[pin] = user

    def _named(self) -> Iterator[tuple[str, int, str]]:
        yield from (("sensors", place, part.name) for place, part in enumerate(self.sensors))
        yield from (("cameras", place, part.name) for place, part in enumerate(self.cameras))
        yield from (("screens", place, part.name) for place, part in enumerate(self.screens))
        yield from (("sirens", place, part.name) for place, part in enumerate(self.sirens))
        yield from (("buttons", place, part.name) for place, part in enumerate(self.buttons))

    def _pin_users(self) -> Iterator[tuple[str, int, tuple[str | int, ...]]]:
        for place, sensor in enumerate(self.sensors):
            for key, pin in sensor.pins().items():
                yield f"{sensor.name} ({key})", pin, ("sensors", place, key)
        for place, siren in enumerate(self.sirens):
            yield f"{siren.name} (pin)", siren.pin, ("sirens", place, "pin")
        for place, button in enumerate(self.buttons):
            yield f"{button.name} (pin)", button.pin, ("buttons", place, "pin")


def _check_public_key(value: str) -> str:
    if re.fullmatch(r"[0-9a-f]{64}", value) is None:
        raise ValueError(f"found {len(value)} characters, expected the 64 hex digits that the console shows as its key")
    return value


def _check_url(value: str) -> str:
    if re.fullmatch(r"https?://[^/\s]+\S*", value) is None:
        raise ValueError(f"found {value!r}, expected an address such as https://console.example.org/assets")
    return value.rstrip("/")


class DeviceSettings(DeviceBlock):
    """A whole device: its block, and whose it is, whom it trusts, where it speaks and where it keeps its files."""

    market: Id
    data_dir: Path
    broker: BrokerBlock
    signing_public_key: Annotated[str, AfterValidator(_check_public_key)]
    assets_url: Annotated[str, AfterValidator(_check_url)]

    @property
    def identity(self) -> DeviceIdentity:
        """Who this device is on the bus."""
        return DeviceIdentity(self.market, self.device)
