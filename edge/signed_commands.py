"""Signed commands to this device: obeyed once, in time, only if the console signed them; and answered each time."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import structlog

from contract.access import DeviceIdentity
from contract.delivery import Command, CommandReply
from contract.signature import BadSignatureError, Verifier
from contract.topics import Topic, TopicFilter
from edge.ports import Timekeeper
from runtime.errors import RetryableError
from transport.ports import Session

log = structlog.get_logger(__name__)

LIFE_MS_MAX = 300_000  # ids are remembered in memory only: a longer life would allow a replay after a restart
REMEMBERED_MAX = 1000
REASON_LENGTH_MAX = 500

C = TypeVar("C", bound=Command)
R = TypeVar("R", bound=CommandReply)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command, and why where that needs a word."""

    outcome: Literal["done", "refused", "expired"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Hearing:
    """Who hears: over which session, as which device, whose signature counts, by which clock."""

    session: Session
    identity: DeviceIdentity
    verifier: Verifier
    clock: Timekeeper


class SignedCommands(Generic[C, R]):
    """Hears `cmd/<name>` and answers on `ack/<name>`. The same command again gets the same answer and does nothing.

    `obey` is called once for each command that is signed, for this device and in time. The last `REMEMBERED_MAX` ids
    are remembered; a command may live for five minutes at most.
    """

    def __init__(
        self, hearing: Hearing, name: str, command: type[C], reply: type[R], obey: Callable[[C], Outcome]
    ) -> None:
        self._session = hearing.session
        self._identity = hearing.identity
        self._verifier = hearing.verifier
        self._clock = hearing.clock
        self._name = name
        self._reply_type = reply
        self._obey = obey
        self._replies: OrderedDict[str, R] = OrderedDict()
        topics = TopicFilter(self._identity.market, self._identity.device, "cmd", name)
        self._session.subscribe(topics, command, self._on_command)

    async def _on_command(self, _topic: Topic, command: C) -> None:
        try:
            self._verifier.command(command, self._identity.market, self._identity.device)
        except BadSignatureError as error:
            # Not remembered: a forger must not use up the id of a true command.
            log.warning("command.refused", name=self._name, command_id=command.command_id, reason=str(error))
            await self._answer(self._reply(command, Outcome("refused", str(error))))
            return
        reply = self._replies.get(command.command_id)
        if reply is None:
            outcome = self._untimely(command) or self._obey(command)
            reply = self._replies[command.command_id] = self._reply(command, outcome)
            while len(self._replies) > REMEMBERED_MAX:
                self._replies.popitem(last=False)
        await self._answer(reply)

    def _untimely(self, command: C) -> Outcome | None:
        if command.expires_unix_ms - command.issued_unix_ms > LIFE_MS_MAX:
            return Outcome("refused", f"it may live for {LIFE_MS_MAX // 1000} s at most")
        if self._clock.boot_id is not None:
            # Who does not know the time cannot tell a command from a recording of one.
            return Outcome("refused", "this device does not know the time yet: try again in a moment")
        if self._clock.unix_ms() > command.expires_unix_ms:
            return Outcome("expired")
        return None

    def _reply(self, command: C, outcome: Outcome) -> R:
        return self._reply_type(
            command_id=command.command_id,
            outcome=outcome.outcome,
            reason=outcome.reason[:REASON_LENGTH_MAX],
            time_unix_ms=self._clock.unix_ms(),
        )

    async def _answer(self, reply: R) -> None:
        topic = Topic(self._identity.market, self._identity.device, "ack", self._name)
        try:
            await self._session.publish(topic, reply)
        except RetryableError as error:
            # The console asks again with the same id and then hears the same answer.
            log.info("command.reply_not_sent", name=self._name, command_id=reply.command_id, reason=str(error))
