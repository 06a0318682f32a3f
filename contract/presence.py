"""Presence and reported state: what a device is and runs now."""

from typing import Annotated, Literal

from pydantic import Field

from contract.payload import Count, Epoch, Payload, Sha256, Text, UnixMs


class Presence(Payload):
    """Birth and death: the last will says offline, the birth online. `epoch` is the outbox's."""

    state: Literal["online", "offline"]
    epoch: Epoch
    time_unix_ms: UnixMs
    agent_version: Annotated[str, Field(max_length=40)]
    started_unix_ms: UnixMs


class SignageReport(Payload):
    """Which generation a device shows, and why it does not show a newer one."""

    generation: Count
    state: Literal["active", "fetching", "rejected"]
    wanted_generation: Count
    reason: Text = ""
    time_unix_ms: UnixMs


class SettingsReport(Payload):
    """Which settings a device runs, and where its screens' pages are served (on its own loopback).

    `drill_siren`: its sirens sound for a moment when one of its cameras confirms a drill's flame.
    """

    settings_sha256: Sha256
    player_urls: dict[str, Annotated[str, Field(max_length=200)]]
    drill_siren: bool = False
    time_unix_ms: UnixMs
