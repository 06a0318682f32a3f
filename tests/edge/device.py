"""A whole device for tests: settings in a folder, and somebody on the bus who listens."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from contract.catalog import channel_for
from contract.delivery import Delivered
from contract.events import AcknowledgeEvent, FireEvent, StillEvent, TroubleEvent
from contract.payload import Payload
from contract.presence import Presence, SettingsReport
from contract.telemetry import AgentBatch, BayBatch, SirenBatch
from contract.topics import Topic, TopicFilter
from edge.agent import Agent
from edge.settings import DeviceSettings
from runtime.clock import Clock, SystemClock
from tests.eventually import eventually_async
from transport.memory_bus import MemoryBus
from transport.ports import P

HEARD = (
    *(Presence, SettingsReport, AgentBatch, BayBatch, SirenBatch),
    *(FireEvent, StillEvent, TroubleEvent, AcknowledgeEvent),
)


def settings(folder: Path, device: str = "fire-1", **blocks: object) -> DeviceSettings:
    base: dict[str, Any] = {  # Any: blocks of a settings file
        "market": "jungang",
        "device": device,
        "data_dir": folder / device,
        "broker": {"host": "127.0.0.1"},
        "signing_public_key": "0" * 64,
        "assets_url": "http://127.0.0.1:8600/assets",
        "clock": {"source": "trusted"},  # whoever keeps the time of the machine that the tests run on
    }
    return DeviceSettings.model_validate(base | blocks)


SIREN = {"name": "siren-1", "zone": "b", "pin": 17}
BAY = {"kind": "ultrasonic-bay", "name": "a-01", "zone": "a", "lot": "m", "trigger_pin": 4, "echo_pin": 5}
QUICK = {"period_s": 0.1, "debounce_s": 0.1}


class Centre:
    """Hears everything that devices say and, as ingest and alerts do, confirms it."""

    def __init__(self, bus: MemoryBus, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.session = bus.session("centre")
        self._heard: list[tuple[Topic, Payload]] = []
        for model in HEARD:
            self.session.subscribe(_filter(model), model, self._on)

    async def _on(self, topic: Topic, payload: Payload) -> None:
        self._heard.append((topic, payload))
        if topic.channel in {"telemetry", "event"}:
            store = "readings" if topic.channel == "telemetry" else "incidents"
            number = payload.model_dump(include={"epoch", "seq"})
            receipt = Delivered.model_validate(
                {
                    "epoch": number["epoch"],
                    "seqs": (number["seq"],),
                    "store": store,
                    "time_unix_ms": self.clock.unix_ms(),
                }
            )
            await self.session.publish(Topic(topic.market, topic.device, "ack", "delivered"), receipt)

    def of(self, model: type[P]) -> list[P]:
        return [payload for _, payload in self._heard if isinstance(payload, model)]


def _filter(model: type[Payload]) -> TopicFilter:
    row = channel_for(model)
    return TopicFilter(channel=row.channel, name=row.name)


@contextlib.asynccontextmanager
async def running(*parts: Agent | Centre) -> AsyncIterator[None]:
    """Run agents and listeners; end them all the way."""
    tasks = []
    for part in parts:
        session = part.session if isinstance(part, Centre) else part
        tasks.append(asyncio.create_task(session.run()))
        if isinstance(part, Centre):
            await eventually_async(lambda centre=part: centre.session.connected)  # type: ignore[misc] # a bound default
    yield
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
