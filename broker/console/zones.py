"""Zones of cameras: kept as a signed plan for each device, said retained, and what its device says of it."""

import asyncio
from dataclasses import dataclass

from broker.console.directory import Directory
from broker.console.live import LiveState
from broker.console.retained import RetainedSender
from broker.console.viewing import Place
from broker.stores.signed_documents import Issued
from broker.stores.zone_plans import ZonePlans
from contract.access import DeviceIdentity
from contract.cameras import CameraZone, CameraZones, SignedZonePlan, ZonePlan, ZonesReport
from contract.signature import Signer
from runtime.clock import Clock
from transport.ports import Session

CLOCKS_DIFFER_MS = 5_000


@dataclass(frozen=True, slots=True)
class PlanState:
    """A camera's zones, the generation they were sent with, and what the device says.

    `state` is none (never sent), waiting, active or rejected; `since_unix_ms` when the device said so.
    """

    zones: tuple[CameraZone, ...]
    generation: int
    state: str
    since_unix_ms: int | None = None
    reason: str = ""


class ZonePush:
    """Issues zone plans and publishes them. One at a time, so that generations leave in order."""

    def __init__(
        self,
        plans: ZonePlans,
        directory: Directory,
        live: LiveState,
        signer: Signer,
        session: Session,
        clock: Clock,
        *,
        utc_offset_minutes: int,
    ) -> None:
        self._plans = plans
        self._directory = directory
        self._live = live
        self._signer = signer
        self._clock = clock
        self._utc_offset_minutes = utc_offset_minutes
        self._sender = RetainedSender[SignedZonePlan](session, "zones")
        self._one_at_a_time = asyncio.Lock()

    def zones(self, place: Place) -> tuple[CameraZone, ...]:
        """A camera's zones as they were last saved."""
        return _zones_in(self._plan(place.identity), place.camera)

    def told(self, place: Place) -> PlanState:
        """A camera's zones, and how far its device is with them."""
        issued = self._issued(place.identity)
        if issued is None:
            return PlanState((), 0, "none")
        zones = _zones_in(_plan_in(issued), place.camera)
        report = self._report(place.identity)
        # a refusal names the generation in use, not the refused one: it is about this plan if it came after it
        is_refused = (
            report is not None
            and report.state == "rejected"
            and report.time_unix_ms >= issued.issued_unix_ms - CLOCKS_DIFFER_MS
        )
        if report is None or (report.generation < issued.generation and not is_refused):
            return PlanState(zones, issued.generation, "waiting")
        return PlanState(zones, issued.generation, report.state, report.time_unix_ms, report.reason)

    async def save(self, place: Place, zones: CameraZones) -> tuple[CameraZone, ...]:
        """Keep, sign and publish a camera's zones; those of the device's other cameras stay. Returns the former ones.

        Raises:
            sqlalchemy.exc.DBAPIError: not kept.
        """
        async with self._one_at_a_time:
            before, issued = await asyncio.to_thread(self._issue, place, zones)
            await self._sender.send(issued)
        return before

    async def say_all(self) -> None:
        """Publish every plan again; one that was signed with another key is issued anew."""
        async with self._one_at_a_time:
            for one in await asyncio.to_thread(self._all_of_ours):
                await self._sender.send(one)

    async def complete(self) -> None:
        """Publish what could not be sent before."""
        async with self._one_at_a_time:
            await self._sender.send_unsent()

    def _all_of_ours(self) -> list[Issued[SignedZonePlan]]:
        known = {
            DeviceIdentity(record.market, record.device)
            for listing in self._directory.markets()
            for record in listing.devices
        }
        found = [one for one in self._plans.all() if one.identity in known]
        return [
            one if one.signed.key_id == self._signer.key_id else self._sign_anew(one.identity, _plan_in(one).cameras)
            for one in found
        ]

    def _issue(self, place: Place, zones: CameraZones) -> tuple[tuple[CameraZone, ...], Issued[SignedZonePlan]]:
        plan = self._plan(place.identity)
        others = () if plan is None else tuple(one for one in plan.cameras if one.camera != place.camera)
        cameras = (*others, zones) if zones.zones else others
        return _zones_in(plan, place.camera), self._sign_anew(place.identity, cameras)

    def _sign_anew(self, identity: DeviceIdentity, cameras: tuple[CameraZones, ...]) -> Issued[SignedZonePlan]:
        now, report = self._clock.unix_ms(), self._report(identity)

        def sign(generation: int) -> SignedZonePlan:
            plan = ZonePlan(
                market=identity.market,
                device=identity.device,
                generation=generation,
                issued_unix_ms=now,
                utc_offset_minutes=self._utc_offset_minutes,
                cameras=cameras,
            )
            return self._signer.sign_zone_plan(plan)

        seen = 0 if report is None else report.generation
        return self._plans.issue(identity, sign, issued_unix_ms=now, generation_min=seen + 1)

    def _issued(self, identity: DeviceIdentity) -> Issued[SignedZonePlan] | None:
        return next((one for one in self._plans.all(identity.market) if one.identity == identity), None)

    def _plan(self, identity: DeviceIdentity) -> ZonePlan | None:
        issued = self._issued(identity)
        return None if issued is None else _plan_in(issued)

    def _report(self, identity: DeviceIdentity) -> ZonesReport | None:
        said = self._live.device(identity).zones
        if said is not None:
            return said
        record = self._directory.market(identity.market).record(identity.device)
        return ZonesReport.model_validate(record.zones, strict=False) if record is not None and record.zones else None


def _plan_in(issued: Issued[SignedZonePlan]) -> ZonePlan:
    return ZonePlan.model_validate_json(issued.signed.plan_json)


def _zones_in(plan: ZonePlan | None, camera: str) -> tuple[CameraZone, ...]:
    return () if plan is None else next((one.zones for one in plan.cameras if one.camera == camera), ())
