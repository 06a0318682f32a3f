"""Rosters for devices with a modem: whom they tell when the centre is away; sent again whenever that changes."""

import asyncio
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from broker.console.directory import Directory, MarketListing
from broker.console.live import LiveState
from broker.console.retained import RetainedSender
from broker.stores.carrier import carriable
from broker.stores.policies import Policies
from broker.stores.policy_models import PolicyTable
from broker.stores.registry import Named, Recipient
from broker.stores.rosters import RosterBook
from broker.stores.signed_documents import Issued
from contract.access import DeviceIdentity
from contract.roster import ROSTER_PEOPLE_MAX, Roster, RosterPerson, RosterReport, SignedRoster
from contract.signage import Name
from contract.signature import Signer
from runtime.clock import Clock
from transport.ports import Session

log = structlog.get_logger(__name__)

AGAIN_AFTER_S = 60.0
NAME_LETTERS_MAX = 40
MANAGER = "manager"


@dataclass(frozen=True, slots=True)
class _Said:
    """What was last sent to a device."""

    content_sha256: str
    generation: int
    at_s: float


class RosterPush:
    """Holds what devices say they have against what the roster and the policies say now, and sends what differs.

    Only to devices that have reported on `reported/roster`: they have a modem. The device's own word is the memory:
    nothing is kept here, and the generation is the time, which only grows. What an online device does not take is
    issued again once in `AGAIN_AFTER_S`; for one that is offline the broker keeps it.
    """

    def __init__(  # noqa: PLR0913 — a composition root's child: each argument is a part of its own
        self,
        directory: Directory,
        live: LiveState,
        rosters: RosterBook,
        policies: Policies,
        signer: Signer,
        session: Session,
        clock: Clock,
        *,
        utc_offset_minutes: int,
    ) -> None:
        self._directory = directory
        self._live = live
        self._rosters = rosters
        self._policies = policies
        self._signer = signer
        self._clock = clock
        self._utc_offset_minutes = utc_offset_minutes
        self._sender = RetainedSender[SignedRoster](session, "roster")
        self._said: dict[DeviceIdentity, _Said] = {}

    async def complete(self) -> None:
        """Send what a device with a modem does not have yet. By one task at a time.

        Raises:
            sqlalchemy.exc.DBAPIError: the rosters cannot be read now.
        """
        for one in await asyncio.to_thread(self._differing):
            await self._sender.send(one)
        await self._sender.send_unsent()

    def _differing(self) -> list[Issued[SignedRoster]]:
        found = []
        for listing in self._directory.markets():
            reports = self._reports(listing)
            content = self._content(listing) if reports else None
            for identity, report in reports.items():
                if content is not None and self._is_due(identity, report, content.content_sha256):
                    found.append(self._issue(identity, report, content))
        return found

    def _reports(self, listing: MarketListing) -> dict[DeviceIdentity, RosterReport]:
        found = {}
        for record in listing.devices:
            identity = DeviceIdentity(listing.market.id, record.device)
            report = self._live.device(identity).roster
            if report is not None:
                found[identity] = report
        return found

    def _content(self, listing: MarketListing) -> Roster:
        """What every device of a market gets, but for whose and which it is."""
        market = listing.market.id
        state, table = self._rosters.of(market), self._policies.of(market).table
        people = people_of((one.recipient for one in state.people), table)
        if len(people) > ROSTER_PEOPLE_MAX:
            log.warning("roster.cut", market=market, people=len(people), kept=ROSTER_PEOPLE_MAX)
        content = Roster(
            market=market,
            device="none",
            generation=1,
            issued_unix_ms=0,
            content_sha256="0" * 64,
            utc_offset_minutes=self._utc_offset_minutes,
            name=_name(listing.market),
            zones=tuple(_name(one) for one in listing.zones),
            people=people[:ROSTER_PEOPLE_MAX],
        )
        sha256 = hashlib.sha256(f"{self._signer.key_id}{content.model_dump_json()}".encode()).hexdigest()
        return content.model_copy(update={"content_sha256": sha256})

    def _is_due(self, identity: DeviceIdentity, report: RosterReport, sha256: str) -> bool:
        if report.content_sha256 == sha256:
            return False
        said = self._said.get(identity)
        if said is None or said.content_sha256 != sha256:
            return True
        presence = self._live.device(identity).presence
        is_online = presence is not None and presence.state == "online"
        return is_online and self._clock.monotonic_s() - said.at_s >= AGAIN_AFTER_S

    def _issue(self, identity: DeviceIdentity, report: RosterReport, content: Roster) -> Issued[SignedRoster]:
        now_unix_ms, said = self._clock.unix_ms(), self._said.get(identity)
        generation = max(now_unix_ms, report.generation + 1, 0 if said is None else said.generation + 1)
        whose = {"device": identity.device, "generation": generation, "issued_unix_ms": now_unix_ms}
        self._said[identity] = _Said(content.content_sha256, generation, self._clock.monotonic_s())
        signed = self._signer.sign_roster(content.model_copy(update=whose))
        return Issued(identity, generation, now_unix_ms, signed)


def people_of(recipients: Iterable[Recipient], table: PolicyTable) -> tuple[RosterPerson, ...]:
    """Who is told of a fire at once, and which managers hear of the centre; whoever is neither is left out.

    As at the centre, a first step that reaches nobody reaches everybody.
    """
    everybody = tuple(recipients)
    roles = {one.role for one in everybody}
    first: set[str] = roles & set(table.fire.steps[0].roles) or roles
    centre = {MANAGER} if MANAGER in roles else first
    return tuple(
        RosterPerson.model_validate(
            {
                "name": one.name,
                "phone": one.phone,
                "language": one.language,
                "fire": one.role in first,
                "centre": one.role in centre,
            }
        )
        for one in everybody
        if one.role in first | centre
    )


def _name(named: Named) -> Name:
    ko, en = (carriable(text)[:NAME_LETTERS_MAX] for text in (named.name_ko, named.name_en))
    return Name(id=named.id, ko=ko, en=en)
