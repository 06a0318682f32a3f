"""Silencing a siren: a signed command that runs once and expires; alarm and screens stay."""

import asyncio

from broker.console.commands import new_command, tell
from broker.console.composition import Console
from broker.console.directory import MarketListing
from broker.console.problems import NotHereError
from broker.console.views import SilenceView
from contract.access import DeviceIdentity
from contract.delivery import SirenCommand


class NoSirenError(NotHereError):
    """The device is not there or has no siren."""


def check_siren(listing: MarketListing, device: str) -> None:
    """Return if the device has a siren.

    Raises:
        NoSirenError: it has none.
    """
    if not any(one.device == device for one in listing.of_kind("sirens")):
        raise NoSirenError("siren", market=listing.market.id, device=device)


async def silence_siren(console: Console, market: str, device: str, who: str) -> SilenceView:
    """Send the command and wait a moment for the device's answer.

    Raises:
        NoSirenError: there is none.
        transport.ports.NotConnectedError: the broker is not there: silence the siren on its device.
        transport.ports.PublishTimeoutError: the broker did not confirm: try again.
    """
    check_siren(await asyncio.to_thread(console.directory.market, market), device)
    command = new_command(console, SirenCommand, DeviceIdentity(market, device), action="silence")
    told = await tell(console, command, who, "siren.silence")
    return SilenceView(command_id=told.command_id, outcome=told.outcome, reason=told.reason)
