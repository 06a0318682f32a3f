"""Silencing a siren: a signed command that runs once and expires; alarm and screens stay."""

import asyncio
import secrets

from broker.console.composition import Console
from broker.console.directory import MarketListing
from broker.console.problems import NotHereError
from broker.console.views import SilenceView
from contract.catalog import topic_for
from contract.delivery import SirenCommand

COMMAND_LIFE_MS = 60_000
REPLY_WITHIN_S = 2.0
ASK_EVERY_S = 0.05
COMMAND_ID_BYTES = 16


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
    now = console.clock.unix_ms()
    command = console.signer.sign_siren_command(
        SirenCommand(
            command_id=secrets.token_hex(COMMAND_ID_BYTES),
            market=market,
            device=device,
            action="silence",
            issued_unix_ms=now,
            expires_unix_ms=now + COMMAND_LIFE_MS,
            signature_base64="",
        )
    )
    await asyncio.to_thread(console.audit.write, who, "siren.silence", f"{market}/{device}", command.command_id)
    await console.session.publish(topic_for(market, device, SirenCommand), command)
    console.counters.commands_total += 1
    deadline_s = console.clock.monotonic_s() + REPLY_WITHIN_S
    while console.clock.monotonic_s() < deadline_s:
        reply = console.live.reply(command.command_id)
        if reply is not None:
            return SilenceView(command_id=command.command_id, outcome=reply.outcome, reason=reply.reason)
        await asyncio.sleep(ASK_EVERY_S)
    return SilenceView(command_id=command.command_id, outcome=None, reason="the device has not answered yet")
