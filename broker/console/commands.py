"""Commands to devices: signed, written down, sent, and their reply waited for a moment."""

import asyncio
import secrets
from dataclasses import dataclass
from typing import TypeVar

from broker.console.composition import Console
from contract.access import DeviceIdentity
from contract.catalog import topic_for
from contract.delivery import Command

COMMAND_LIFE_MS = 60_000
COMMAND_ID_BYTES = 16
REPLY_WITHIN_S = 2.0
ASK_EVERY_S = 0.05
UNANSWERED = "the device has not answered yet"

C = TypeVar("C", bound=Command)


@dataclass(frozen=True, slots=True)
class Told:
    """A command that was sent: `outcome` is done, refused or expired, or None while the device has not answered."""

    command_id: str
    outcome: str | None
    reason: str


def new_command(console: Console, model: type[C], to: DeviceIdentity, **fields: object) -> C:
    """A signed command that expires in a minute."""
    now = console.clock.unix_ms()
    values = {
        **fields,
        "command_id": secrets.token_hex(COMMAND_ID_BYTES),
        "market": to.market,
        "device": to.device,
        "issued_unix_ms": now,
        "expires_unix_ms": now + COMMAND_LIFE_MS,
        "signature_base64": "",
    }
    return console.signer.sign_command(model.model_validate(values))


async def tell(console: Console, command: Command, who: str, action: str, detail: str = "") -> Told:
    """Write the act down, send the command and wait a moment for the device's answer.

    Raises:
        transport.ports.NotConnectedError: the broker is not there.
        transport.ports.PublishTimeoutError: the broker did not confirm: try again.
    """
    subject = "/".join([command.market, command.device, *_part(command)])
    await asyncio.to_thread(console.audit.write, who, action, subject, detail or command.command_id)
    await console.session.publish(topic_for(command.market, command.device, type(command)), command)
    console.counters.commands_total += 1
    deadline_s = console.clock.monotonic_s() + REPLY_WITHIN_S
    while console.clock.monotonic_s() < deadline_s:
        reply = console.live.reply(command.command_id)
        if reply is not None:
            return Told(command.command_id, reply.outcome, reply.reason)
        await asyncio.sleep(ASK_EVERY_S)
    return Told(command.command_id, None, UNANSWERED)


def _part(command: Command) -> tuple[str, ...]:
    camera = getattr(command, "camera", None)
    return () if camera is None else (str(camera),)
