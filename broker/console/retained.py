"""Saying signed documents: published retained, and what could not be sent is sent later."""

from collections.abc import Mapping, Sequence
from typing import Generic

import structlog

from broker.stores.signed_documents import Issued, S
from contract.access import DeviceIdentity
from contract.catalog import topic_for
from transport.ports import NotConnectedError, PublishTimeoutError, Session

log = structlog.get_logger(__name__)


class RetainedSender(Generic[S]):
    """Publishes one kind of document; `what` names it in the log. To be used by one task at a time."""

    def __init__(self, session: Session, what: str) -> None:
        self._session = session
        self._what = what
        self._wanted: dict[DeviceIdentity, int] = {}
        self._unsent: dict[DeviceIdentity, Issued[S]] = {}

    def wanted(self) -> Mapping[DeviceIdentity, int]:
        """The newest generation of each device."""
        return dict(self._wanted)

    def waiting(self, issued: Sequence[Issued[S]]) -> tuple[str, ...]:
        """Which of these devices' documents wait for the link to the broker."""
        return tuple(one.identity.device for one in issued if one.identity in self._unsent)

    def is_new(self, issued: Issued[S]) -> bool:
        """Whether it is newer than what was said last."""
        return issued.generation > self._wanted.get(issued.identity, 0)

    async def send_unsent(self) -> None:
        """Send what could not be sent before, if there is a link now."""
        for one in self._unsent.copy().values() if self._session.connected else ():
            await self.send(one)

    async def send(self, issued: Issued[S]) -> None:
        """Send it, or keep it for `send_unsent`."""
        identity = issued.identity
        self._wanted[identity] = issued.generation
        try:
            await self._session.publish(topic_for(identity.market, identity.device, type(issued.signed)), issued.signed)
        except (NotConnectedError, PublishTimeoutError) as error:
            self._unsent[identity] = issued
            where = {"market": identity.market, "device": identity.device}
            log.warning("retained.unsent", what=self._what, reason=str(error), **where)
        else:
            self._unsent.pop(identity, None)
            where = {"market": identity.market, "device": identity.device}
            log.info("retained.sent", what=self._what, generation=issued.generation, **where)
