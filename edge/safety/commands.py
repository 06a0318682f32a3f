"""The siren command: run once, in time, only if the console signed it for this device."""

from collections import OrderedDict
from collections.abc import Sequence

import structlog

from contract.access import DeviceIdentity
from contract.delivery import CommandReply, SirenCommand
from contract.signature import BadSignatureError, Verifier
from contract.topics import Topic, TopicFilter
from edge.ports import Timekeeper
from edge.safety.siren import Siren
from runtime.errors import RetryableError
from transport.ports import Session

log = structlog.get_logger(__name__)

LIFE_MS_MAX = 300_000  # ids are remembered in memory only: a longer life would allow a replay after a restart
REMEMBERED_MAX = 1000


class SirenCommands:
    """Hears `cmd/siren` and answers on `ack/siren`. The same command again gets the same answer and does nothing.

    The last `REMEMBERED_MAX` ids are remembered; a command may live for five minutes at most.
    """

    def __init__(
        self,
        session: Session,
        identity: DeviceIdentity,
        verifier: Verifier,
        sirens: Sequence[Siren],
        clock: Timekeeper,
    ) -> None:
        self._session = session
        self._identity = identity
        self._verifier = verifier
        self._sirens = sirens
        self._clock = clock
        self._replies: OrderedDict[str, CommandReply] = OrderedDict()
        session.subscribe(TopicFilter(identity.market, identity.device, "cmd", "siren"), SirenCommand, self._on_command)

    async def _on_command(self, _topic: Topic, command: SirenCommand) -> None:
        try:
            self._verifier.command(command, self._identity.market, self._identity.device)
        except BadSignatureError as error:
            # Not remembered: a forger must not use up the id of a true command.
            log.warning("siren.command_refused", command_id=command.command_id, reason=str(error))
            await self._answer(self._reply(command, "refused", str(error)))
            return
        reply = self._replies.get(command.command_id)
        if reply is None:
            reply = self._replies[command.command_id] = self._obey(command)
            while len(self._replies) > REMEMBERED_MAX:
                self._replies.popitem(last=False)
        await self._answer(reply)

    def _obey(self, command: SirenCommand) -> CommandReply:
        if command.expires_unix_ms - command.issued_unix_ms > LIFE_MS_MAX:
            return self._reply(command, "refused", f"it may live for {LIFE_MS_MAX // 1000} s at most")
        if self._clock.boot_id is not None:
            # Who does not know the time cannot tell a command from a recording of one.
            return self._reply(command, "refused", "this device does not know the time yet: try again in a moment")
        if self._clock.unix_ms() > command.expires_unix_ms:
            return self._reply(command, "expired", "")
        if not self._sirens:
            return self._reply(command, "refused", "this device has no siren")
        silenced = [siren.silence() for siren in self._sirens]
        log.warning("siren.silenced", command_id=command.command_id, had_fire=any(silenced))
        return self._reply(command, "done", "" if any(silenced) else "no siren was sounding")

    def _reply(self, command: SirenCommand, outcome: str, reason: str) -> CommandReply:
        return CommandReply.model_validate(
            {
                "command_id": command.command_id,
                "outcome": outcome,
                "reason": reason[:500],
                "time_unix_ms": self._clock.unix_ms(),
            }
        )

    async def _answer(self, reply: CommandReply) -> None:
        topic = Topic(self._identity.market, self._identity.device, "ack", "siren")
        try:
            await self._session.publish(topic, reply)
        except RetryableError as error:
            # The console asks again with the same id and then hears the same answer.
            log.info("siren.reply_not_sent", command_id=reply.command_id, reason=str(error))
