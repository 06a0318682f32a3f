"""The zones of this device's cameras, as the console signed them: taken, kept over restarts, reported."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import structlog
from pydantic import ValidationError

from contract.access import DeviceIdentity
from contract.cameras import CameraZone, SignedZonePlan, ZonePlan, ZonesReport
from contract.signature import BadSignatureError, Verifier
from contract.topics import Topic, TopicFilter
from edge.ports import Timekeeper
from runtime.errors import RetryableError
from transport.ports import Session

log = structlog.get_logger(__name__)

REASON_LENGTH_MAX = 500
OWNER_ONLY = 0o600


class ZonedCamera(Protocol):
    """A camera whose zones can be set while it runs."""

    def use_zones(self, zones: tuple[CameraZone, ...], utc_offset_minutes: int) -> None:
        """These hold from now on."""
        ...


class ZonesSync:
    """Hears `desired/zones`, hands the zones to the cameras and says on `reported/zones` which generation is in use.

    The last plan lies signed in `file` and is verified again when it is read. No older generation is ever accepted: a
    recording of an old plan cannot blind a camera. Until the first plan the zones of the settings hold.
    """

    def __init__(
        self,
        session: Session,
        identity: DeviceIdentity,
        verifier: Verifier,
        cameras: Mapping[str, ZonedCamera],
        clock: Timekeeper,
        file: Path,
    ) -> None:
        self._session = session
        self._identity = identity
        self._verifier = verifier
        self._cameras = cameras
        self._clock = clock
        self._file = file
        self._plan: ZonePlan | None = None
        self._rejected = ""
        self._load()
        topics = TopicFilter(identity.market, identity.device, "desired", "zones")
        session.subscribe(topics, SignedZonePlan, self._on_plan)
        session.on_connect(self._say)

    @property
    def generation(self) -> int:
        """The generation in use; 0 before the first plan."""
        return 0 if self._plan is None else self._plan.generation

    def _load(self) -> None:
        try:
            signed = SignedZonePlan.model_validate_json(self._file.read_bytes())
            plan = self._verifier.zone_plan(signed, self._identity.market, self._identity.device, 1)
        except FileNotFoundError:
            return
        except (OSError, ValidationError, BadSignatureError) as error:
            reason = " ".join(str(error).split())[:200]
            log.warning("zones.unreadable", path=str(self._file), reason=reason, consequence="none until the next plan")
            return
        self._use(plan)

    async def _on_plan(self, _topic: Topic, signed: SignedZonePlan) -> None:
        try:
            plan = self._verifier.zone_plan(signed, self._identity.market, self._identity.device, self.generation)
        except BadSignatureError as error:
            self._rejected = str(error)
            log.warning("zones.rejected", generation=signed.generation, reason=self._rejected)
        else:
            self._rejected = ""
            if plan.generation > self.generation:
                self._use(plan)
                await asyncio.to_thread(self._save, signed)
        await self._say()

    def _use(self, plan: ZonePlan) -> None:
        self._plan = plan
        named = {one.camera: one.zones for one in plan.cameras}
        for name, camera in self._cameras.items():
            camera.use_zones(named.get(name, ()), plan.utc_offset_minutes)
        unknown = sorted(named.keys() - self._cameras.keys())
        log.info("zones.in_use", generation=plan.generation, cameras=len(named), unknown_cameras=unknown)

    def _save(self, signed: SignedZonePlan) -> None:
        fresh = self._file.with_suffix(".new")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            fresh.unlink(missing_ok=True)
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "w") as file:
                file.write(signed.model_dump_json())
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._file)
        except OSError as error:
            # In use all the same; after a restart the retained message brings it again.
            log.warning("zones.not_saved", path=str(self._file), reason=str(error))

    async def _say(self) -> None:
        topic = Topic(self._identity.market, self._identity.device, "reported", "zones")
        report = ZonesReport(
            generation=self.generation,
            state="rejected" if self._rejected else "active",
            reason=self._rejected[:REASON_LENGTH_MAX],
            time_unix_ms=self._clock.unix_ms(),
        )
        try:
            await self._session.publish(topic, report)
        except RetryableError as error:
            log.info("zones.not_reported", reason=str(error), consequence="said again at the next connection")
