"""A whole console on an in-memory bus, with a market and its devices' words at hand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from broker.console.composition import Console
from broker.console.service import create_app
from broker.console.settings import ConsoleSettings
from broker.series.memory import MemorySeriesStore
from broker.stores.database import migrate, open_database, sqlite_url
from broker.stores.incident_models import Sighting
from broker.stores.incidents import Incidents
from broker.stores.messages import NewMessage
from broker.stores.registry import MarketEntry, Named, Recipient, Registry, Subject
from broker.stores.users import Users, ensure_first_manager
from contract.catalog import topic_for
from contract.events import Phase
from contract.payload import Payload
from contract.presence import Presence
from contract.telemetry import BayBatch, BayReading, BayState, Reason
from runtime.clock import ManualClock
from tests.eventually import eventually_async
from transport.memory_bus import MemoryBus, MemorySession

EPOCH = "0" * 16
NOW = 1_767_225_600_000

JUNGANG = MarketEntry(
    Named("jungang", "중앙시장", "Jungang Market"),
    (Named("a", "가 구역", "Zone A"), Named("b", "먹자골목", "Food alley")),
    (Named("main", "공영주차장", "Public car park"),),
    ("parking-1", "alley-1"),
    (
        Subject("bays", "a-01", "parking-1", "a", "main"),
        Subject("bays", "a-02", "parking-1", "a", "main"),
        Subject("gates", "main-gate", "parking-1", "a", "main"),
        Subject("people", "east", "alley-1", "b"),
        Subject("cameras", "cam-1", "alley-1", "b"),
        Subject("screens", "screen-1", "alley-1", "b"),
        Subject("sirens", "siren-1", "alley-1", "b"),
    ),
    (Recipient("김상인", "01012345678"),),
)
SEOMUN = MarketEntry(Named("seomun", "서문시장", "Seomun Market"))


def bay(name: str, state: BayState, time_unix_ms: int, reason: Reason | None = None) -> BayReading:
    return BayReading(
        time_unix_ms=time_unix_ms, bay=name, state=state, reason=reason, confidence=0.9, since_unix_ms=time_unix_ms
    )


@dataclass
class Bench:
    """A console with its lifespan running, a device to speak with, and clients with and without a token."""

    app: FastAPI
    console: Console
    engine: Engine
    clock: ManualClock
    bus: MemoryBus
    device: MemorySession
    api: httpx.AsyncClient
    stranger: httpx.AsyncClient
    data: Path
    series: MemorySeriesStore
    seq: int = 0

    async def say(self, device: str, payload: Payload, market: str = "jungang") -> None:
        await self.device.publish(topic_for(market, device, type(payload)), payload)

    async def park(self, *readings: BayReading, replayed: bool = False) -> None:
        self.seq += 1
        await self.say("parking-1", BayBatch(epoch=EPOCH, seq=self.seq, readings=readings, replayed=replayed))

    async def presence(self, device: str, state: str) -> None:
        said = {"state": state, "epoch": EPOCH, "agent_version": "0.1.0", "started_unix_ms": NOW}
        await self.say(device, Presence.model_validate({**said, "time_unix_ms": self.clock.unix_ms()}))

    async def bays(self) -> dict[str, dict[str, object]]:
        answer = (await self.api.get("/api/v1/markets/jungang/occupancy")).json()
        return {one["bay"]: one for one in answer["bays"]}

    async def until(self, path: str, wanted: object, *keys: str | int) -> None:
        """Ask until the answer at `keys` is `wanted`."""
        for _ in range(200):
            found = (await self.api.get(f"/api/v1/{path}")).json()
            for key in keys:
                found = found[key]
            if found == wanted:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"{path} {keys}: {found!r} is not {wanted!r}")

    async def until_healthy(self) -> None:
        """Wait until the console has reported itself."""
        await eventually_async(lambda: "ok" in {one.state for one in self.console.statuses.all()}, within_s=10.0)

    def fire(self, seq: int = 1, market: str = "jungang") -> int:
        """A recorded fire with one message; its id."""
        now = self.clock.unix_ms()
        seen = Sighting(
            market=market,
            device="alley-1",
            epoch=EPOCH,
            seq=seq,
            event_id=f"{seq:032x}",
            name="fire",
            phase=Phase.RAISED,
            time_unix_ms=now,
            zone="b",
            kind="fire",
            severity="fire",
            subject="cam-1",
            score=0.9,
        )
        message = NewMessage("0", "김상인", "01012345678", "[화재] 중앙시장 먹자골목", now)
        (change,) = Incidents(self.engine, self.clock).record([seen], lambda _change: (message,))
        assert change.incident is not None
        return change.incident.incident_id

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[httpx.AsyncClient]:
        """A signed-in browser."""
        async with self.client(headers={"accept": "text/html"}) as client:
            answer = await client.post(f"/sign-in/link/{Users(self.engine, self.clock).new_sign_in_link()}")
            assert answer.status_code == 303
            yield client

    def client(self, *, headers: dict[str, str] | None = None, address: str = "127.0.0.1") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, client=(address, 40000))
        return httpx.AsyncClient(transport=transport, base_url="http://console.test", headers=headers or {})


def settings_in(folder: Path, **changes: object) -> ConsoleSettings:
    values: dict[str, object] = {
        "public_url": "http://console.test",
        "database_url": sqlite_url(folder / "central.db"),
        "series": {"kind": "embedded", "path": folder / "series.db"},
        "signing_key_file": folder / "signing.key",
        "assets_dir": folder / "assets",
    }
    return ConsoleSettings.model_validate({**values, **changes})


@asynccontextmanager
async def running(folder: Path, **changes: object) -> AsyncIterator[Bench]:
    """A console on a fresh database in `folder`."""
    settings = settings_in(folder, **changes)
    engine, clock = open_database(settings.database_url), ManualClock(unix_ms=NOW)
    migrate(engine)
    for entry in (JUNGANG, SEOMUN):
        Registry(engine).enrol(entry)
    ensure_first_manager(engine, folder, clock)
    bus, series = MemoryBus(), MemorySeriesStore()
    app = create_app(settings, session=bus.session("console"), engine=engine, series=series, clock=clock)
    device = bus.session("device")
    token = (folder / "admin.token").read_text(encoding="utf-8")
    speaking = asyncio.create_task(device.run())
    async with app.router.lifespan_context(app):
        console: Console = app.state.console
        bench = Bench(
            app, console, engine, clock, bus, device, httpx.AsyncClient(), httpx.AsyncClient(), folder, series
        )
        bench.api = bench.client(headers={"authorization": f"Bearer {token}"})
        bench.stranger = bench.client()
        await eventually_async(lambda: device.connected and console.link.view().state == "connected")
        async with bench.api, bench.stranger:
            yield bench
    speaking.cancel()
    await asyncio.gather(speaking, return_exceptions=True)
    engine.dispose()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path) as one:
        yield one
