"""Whom this device tells by its own modem, as the console signed it: taken, kept over restarts, reported."""

import asyncio
from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict

from contract.access import DeviceIdentity
from contract.catalog import topic_for
from contract.roster import Roster, RosterReport, SignedRoster
from contract.signature import BadSignatureError, Verifier
from contract.topics import Topic, TopicFilter
from edge.ports import Timekeeper
from edge.state_file import StateFile
from runtime.errors import RetryableError
from transport.ports import Session

log = structlog.get_logger(__name__)

REASON_LENGTH_MAX = 500


class KeptRoster(BaseModel):
    """What lies in the file: signed, so that it is verified again when it is read."""

    model_config = ConfigDict(frozen=True)

    signed: SignedRoster | None = None


class RosterSync:
    """Hears `desired/roster`, keeps it in `file` (mode 0600) and says on `reported/roster` what is held.

    No older generation is ever accepted: a recording cannot bring somebody back who has left.
    """

    def __init__(
        self, session: Session, identity: DeviceIdentity, verifier: Verifier, clock: Timekeeper, file: Path
    ) -> None:
        self._session = session
        self._identity = identity
        self._verifier = verifier
        self._clock = clock
        self._file = StateFile(file, KeptRoster(), private=True)
        self._rejected = ""
        self._roster = self._load()
        topics = TopicFilter(identity.market, identity.device, "desired", "roster")
        session.subscribe(topics, SignedRoster, self._on_roster)
        session.on_connect(self._say)

    @property
    def roster(self) -> Roster | None:
        """The newest one; None before the first."""
        return self._roster

    def _load(self) -> Roster | None:
        signed = self._file.load().signed
        if signed is None:
            return None
        try:
            return self._verifier.roster(signed, self._identity.market, self._identity.device, 1)
        except BadSignatureError as error:
            log.warning("roster.unusable", reason=str(error), consequence="nobody is known until the next one")
            return None

    async def _on_roster(self, _topic: Topic, signed: SignedRoster) -> None:
        held = 0 if self._roster is None else self._roster.generation
        try:
            roster = self._verifier.roster(signed, self._identity.market, self._identity.device, held)
        except BadSignatureError as error:
            self._rejected = str(error)
            log.warning("roster.rejected", generation=signed.generation, reason=self._rejected)
        else:
            self._rejected = ""
            if roster.generation > held:
                self._roster = roster
                log.info("roster.in_use", generation=roster.generation, people=len(roster.people))
                await asyncio.to_thread(self._file.save, KeptRoster(signed=signed))
        await self._say()

    async def _say(self) -> None:
        roster = self._roster
        report = RosterReport(
            generation=0 if roster is None else roster.generation,
            content_sha256=None if roster is None else roster.content_sha256,
            people_count=0 if roster is None else len(roster.people),
            state="rejected" if self._rejected else "active",
            reason=self._rejected[:REASON_LENGTH_MAX],
            time_unix_ms=self._clock.unix_ms(),
        )
        try:
            await self._session.publish(topic_for(self._identity.market, self._identity.device, RosterReport), report)
        except RetryableError as error:
            log.info("roster.not_reported", reason=str(error), consequence="said again at the next connection")
