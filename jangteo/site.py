"""A site file: one market with its zones, lots, recipients and devices."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from broker.stores.phones import normalised, shown
from broker.stores.policy_models import Language, PolicyTable, Role
from broker.stores.registry import MarketEntry, Named, Recipient, Subject
from broker.stores.rosters import PEOPLE_MAX
from contract.catalog import TELEMETRY_OF_SUBJECT
from contract.ids import Id
from edge.plugins import discover
from edge.settings import CameraSettings, DeviceBlock
from runtime.settings_file import MisplacedError, SettingsModel, load_settings

QUIET_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


class NamedBlock(SettingsModel):
    """Something with an id and a name in both languages."""

    id: Id
    name_ko: Annotated[str, Field(min_length=1, max_length=80)]
    name_en: Annotated[str, Field(min_length=1, max_length=80)]

    def named(self) -> Named:
        """The registry's form."""
        return Named(self.id, self.name_ko, self.name_en)


class MarketBlock(NamedBlock):
    """The market itself.

    With `private_stills` every camera pixelates a fire's pictures outside the fire once it is over, and the centre
    keeps no others for longer than a day.
    """

    private_stills: bool = False


def _minutes(text: str) -> str:
    if QUIET_HOURS.fullmatch(text) is None:
        raise ValueError(f"found {text!r}, expected hours such as 22:00-07:00")
    return text


class RecipientBlock(SettingsModel):
    """Who gets the market's messages.

    `phone` in any usual form (010-1234-5678, +82 10-1234-5678). In `quiet_hours` (22:00-07:00, Korean time) only what
    cannot wait is sent: a fire always is.
    """

    name: Annotated[str, Field(min_length=1, max_length=80)]
    phone: Annotated[str, AfterValidator(normalised)]
    role: Role = "manager"
    language: Language = "ko"
    quiet_hours: Annotated[str, AfterValidator(_minutes)] | None = None

    def recipient(self) -> Recipient:
        """The registry's form."""
        times = () if self.quiet_hours is None else QUIET_HOURS.findall(self.quiet_hours)[0]
        begins, ends = (
            (int(times[0]) * 60 + int(times[1]), int(times[2]) * 60 + int(times[3])) if times else (None,) * 2
        )
        return Recipient(self.name, self.phone, self.role, self.language, begins, ends)


class SiteSettings(SettingsModel):
    """A market: what it is called, where things are, who is told, and what each device has.

    A camera whose source is `simulated` is drawn by the simulator. `policies`: who is told of what, when; a kind that
    it leaves out has the default. People and policies that were edited in the console stay as they are there.
    """

    market: MarketBlock
    zones: Annotated[tuple[NamedBlock, ...], Field(min_length=1, max_length=100)]
    lots: Annotated[tuple[NamedBlock, ...], Field(max_length=100)] = ()
    recipients: Annotated[tuple[RecipientBlock, ...], Field(max_length=PEOPLE_MAX)] = ()
    policies: PolicyTable | None = None
    devices: Annotated[tuple[DeviceBlock, ...], Field(min_length=1, max_length=200)]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        zones, lots = {one.id for one in self.zones}, {one.id for one in self.lots}
        seen: dict[tuple[str, str], str] = {}
        names = [block.device for block in self.devices]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"device {name!r} is there twice: every device of a market has its own name")
        for one in self.subjects():
            if one.zone is not None and one.zone not in zones:
                raise ValueError(
                    f"{one.device}: {one.subject} is in zone {one.zone!r}, which is not in zones: {sorted(zones)}"
                )
            if one.lot is not None and one.lot not in lots:
                raise ValueError(
                    f"{one.device}: {one.subject} belongs to lot {one.lot!r}, which is not in lots: {sorted(lots)}"
                )
            other = seen.setdefault((one.kind, one.subject), one.device)
            if other != one.device:
                raise ValueError(f"{one.subject} is on {other} and on {one.device}: a name stands once in a market")
        return self

    @model_validator(mode="after")
    def _everybody_once(self) -> Self:
        seen: dict[str, str] = {}
        for place, one in enumerate(self.recipients):
            if one.phone in seen:
                raise MisplacedError(
                    f"{shown(one.phone)} is {seen[one.phone]}'s number already: each number stands once in a market",
                    "recipients",
                    place,
                    "phone",
                )
            seen[one.phone] = one.name
        return self

    @model_validator(mode="after")
    def _policies_reach_somebody(self) -> Self:
        roles, table = {one.role for one in self.recipients}, self.policies
        if table is None:
            return self
        for name in sorted(table.model_fields_set):
            policy = table.of(name)
            if not policy.reaches(roles):
                raise MisplacedError(
                    f"its steps tell {', '.join(sorted(policy.roles))}, and recipients has nobody of that role: "
                    "add somebody, or name other roles",
                    "policies",
                    name,
                )
        return self

    @model_validator(mode="after")
    def _private_everywhere(self) -> Self:
        if not self.market.private_stills:
            return self
        cameras = {block.device: tuple(_private(one) for one in block.cameras) for block in self.devices}
        devices = tuple(block.model_copy(update={"cameras": cameras[block.device]}) for block in self.devices)
        object.__setattr__(self, "devices", devices)  # the model is frozen from here on only
        return self

    def subjects(self) -> Iterator[Subject]:
        """Everything that the devices observe, the devices' agents included."""
        for block in self.devices:
            for sensor in block.sensors:
                kind = TELEMETRY_OF_SUBJECT[discover()[sensor.kind].subject]
                yield Subject(kind, sensor.name, block.device, sensor.zone, getattr(sensor, "lot", None))
            for kind, parts in (("cameras", block.cameras), ("screens", block.screens), ("sirens", block.sirens)):
                yield from (Subject(kind, part.name, block.device, part.zone) for part in parts)
            yield Subject("agents", block.device, block.device)

    def entry(self) -> MarketEntry:
        """What the registry has to know."""
        return MarketEntry(
            market=self.market.named(),
            zones=tuple(one.named() for one in self.zones),
            lots=tuple(one.named() for one in self.lots),
            devices=tuple(block.device for block in self.devices),
            subjects=tuple(self.subjects()),
            recipients=tuple(one.recipient() for one in self.recipients),
            private_stills=self.market.private_stills,
            policies=self.policies,
        )


def _private(camera: CameraSettings) -> CameraSettings:
    return camera.model_copy(update={"private_stills": True})


def load_site(path: Path) -> SiteSettings:
    """Read a site file.

    Raises:
        runtime.errors.SettingsError: with file, line, key, what is wrong and what would be right.
    """
    return load_settings(path, SiteSettings)
