"""The console's command to silence this device's sirens."""

from collections.abc import Sequence

import structlog

from contract.delivery import CommandReply, SirenCommand
from edge.safety.siren import Siren
from edge.signed_commands import Hearing, Outcome, SignedCommands

log = structlog.get_logger(__name__)


class SirenCommands:
    """Obeys what the console tells this device's sirens."""

    def __init__(self, hearing: Hearing, sirens: Sequence[Siren]) -> None:
        self._sirens = sirens
        SignedCommands(hearing, "siren", SirenCommand, CommandReply, self._obey)

    def _obey(self, command: SirenCommand) -> Outcome:
        if not self._sirens:
            return Outcome("refused", "this device has no siren")
        silenced = [siren.silence() for siren in self._sirens]
        log.warning("siren.silenced", command_id=command.command_id, had_fire=any(silenced))
        return Outcome("done", "" if any(silenced) else "no siren was sounding")
