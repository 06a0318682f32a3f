"""The direct link between devices, on real sockets and without any broker."""

import asyncio
import contextlib
import socket
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from contract.access import DeviceIdentity
from contract.events import Phase
from edge.ports import FireDecision
from edge.safety import link as link_module
from edge.safety.alarm import MarketAlarm
from edge.safety.link import FireLink
from edge.safety.link_message import LinkMessage, ToldFire, seal
from edge.settings import Endpoint, SafetySettings
from runtime.clock import SystemClock
from runtime.errors import SettingsError
from runtime.secret_files import write_secret
from tests.eventually import eventually_async

KEY = "a market's key, drawn at random"


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Device:
    name: str
    port: int
    alarm: MarketAlarm
    link: FireLink
    task: asyncio.Task[None]
    faults: list[str | None]

    def fire(self, event_id: str, phase: Phase = Phase.RAISED) -> None:
        self.alarm.on_decision(FireDecision(event_id, phase, "b", "cam-1", 0.9, 1000, 2000))


class Market:
    """Devices on loopback that know each other's addresses."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.devices: list[Device] = []

    def add(self, name: str, port: int, *peers: int, key: str = KEY, market: str = "jungang") -> Device:
        key_file = self._folder / f"{name}-{len(self.devices)}.key"
        write_secret(key_file, key)
        settings = SafetySettings(
            listen=Endpoint(host="127.0.0.1", port=port),
            peers=tuple(Endpoint(host="127.0.0.1", port=peer) for peer in peers),
            key_file=key_file,
        )
        alarm = MarketAlarm(name, SystemClock())
        faults: list[str | None] = []
        link = FireLink(
            settings, DeviceIdentity(market, name), alarm, SystemClock(), lambda _name, detail: faults.append(detail)
        )
        device = Device(name, port, alarm, link, asyncio.create_task(link.run()), faults)
        self.devices.append(device)
        return device

    async def end(self) -> None:
        for device in self.devices:
            device.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await device.task


@pytest.fixture
async def market(tmp_path: Path) -> AsyncIterator[Market]:
    made = Market(tmp_path)
    yield made
    await made.end()


async def test_a_fire_is_on_the_other_device_within_a_second_and_ends_there_too(market: Market) -> None:
    a, b = free_udp_port(), free_udp_port()
    first, second = market.add("fire-1", a, b), market.add("fire-2", b, a)
    await asyncio.sleep(0)
    event_id = uuid.uuid4().hex

    begun_s = time.monotonic()
    first.fire(event_id)
    await eventually_async(lambda: second.alarm.fires, every_s=0.005)
    assert time.monotonic() - begun_s < 1.0
    assert (second.alarm.fires[0].device, second.alarm.fires[0].zone) == ("fire-1", "b")

    first.fire(event_id, Phase.CLEARED)
    await eventually_async(lambda: not second.alarm.fires)


async def test_a_device_that_starts_during_a_fire_learns_of_it(market: Market) -> None:
    a, b = free_udp_port(), free_udp_port()
    first = market.add("fire-1", a, b)
    await asyncio.sleep(0)
    first.fire(uuid.uuid4().hex)

    second = market.add("fire-2", b, a)

    await eventually_async(lambda: second.alarm.fires, within_s=3.0)


async def test_a_device_that_restarts_during_a_fire_learns_of_it_again(market: Market) -> None:
    a, b = free_udp_port(), free_udp_port()
    first, second = market.add("fire-1", a, b), market.add("fire-2", b, a)
    await asyncio.sleep(0)
    first.fire(uuid.uuid4().hex)
    await eventually_async(lambda: second.alarm.fires)

    second.task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await second.task
    again = market.add("fire-2", b, a)

    await eventually_async(lambda: again.alarm.fires, within_s=3.0)


async def test_another_key_and_another_market_are_not_heard(market: Market) -> None:
    a, b, c = free_udp_port(), free_udp_port(), free_udp_port()
    listener = market.add("fire-1", a)
    stranger = market.add("fire-2", b, a, key="another market's key, at random")
    neighbour = market.add("fire-3", c, a, market="nambu")
    await asyncio.sleep(0)
    stranger.fire(uuid.uuid4().hex)
    neighbour.fire(uuid.uuid4().hex)

    await eventually_async(lambda: listener.link.refused_count >= 2)
    assert listener.alarm.fires == ()


async def test_a_recording_of_an_earlier_run_raises_no_alarm(market: Market) -> None:
    """A true datagram, under the right key, with the session id of a listener that has restarted since."""
    listener = market.add("fire-1", free_udp_port())
    await asyncio.sleep(0)
    fire = ToldFire(event_id=uuid.uuid4().hex, zone="b", camera="cam-1", since_unix_ms=1000)
    recorded = LinkMessage(
        market="jungang", device="fire-2", session="1" * 32, number=9, heard_session="2" * 32, fires=(fire,)
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))
        sender.settimeout(0)
        sender.sendto(seal(recorded, KEY.encode()), ("127.0.0.1", listener.port))
        answer = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sender, 4096), 5)

    assert answer  # it was heard and answered, and not acted on
    assert listener.alarm.fires == ()


class Player:
    """Sends true datagrams to a listener, as somebody who recorded them could."""

    def __init__(self, listener: Device) -> None:
        self._listener = listener
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(self, session: str, number: int, *fires: str) -> None:
        message = LinkMessage(
            market="jungang",
            device="fire-9",
            session=session * 32,
            number=number,
            heard_session=self._listener.link._session,
            fires=tuple(ToldFire(event_id=one, zone="b", camera="cam-1", since_unix_ms=1000) for one in fires),
        )
        self._socket.sendto(seal(message, KEY.encode()), ("127.0.0.1", self._listener.port))

    def close(self) -> None:
        self._socket.close()


async def test_a_recording_of_this_run_changes_nothing_even_after_its_sender_restarted(market: Market) -> None:
    listener = market.add("fire-1", free_udp_port())
    await asyncio.sleep(0)
    player, event_id = Player(listener), uuid.uuid4().hex
    player.send("3", 5)
    player.send("3", 6, event_id)
    await eventually_async(lambda: listener.alarm.fires)

    player.send("3", 5)  # the recording from before the fire
    await eventually_async(lambda: listener.link.refused_count == 1)
    player.send("4", 1, event_id)  # the sender restarts, the fire goes on
    player.send("3", 5)
    player.send("3", 6)
    await eventually_async(lambda: listener.link.refused_count == 3)

    assert [fire.event_id for fire in listener.alarm.fires] == [event_id]
    player.close()


async def test_a_peer_that_falls_silent_is_said_and_so_is_its_return(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "SILENT_AFTER_S", 0.2)
    monkeypatch.setattr(link_module, "QUIET_REPEAT_S", 0.05)
    a, b = free_udp_port(), free_udp_port()
    first = market.add("fire-1", a, b)

    await eventually_async(lambda: first.faults == [f"not heard for 0.2 s: 127.0.0.1:{b}"])
    market.add("fire-2", b, a)
    await eventually_async(lambda: first.faults[1:] == [None])


def test_a_key_that_is_too_short_is_refused_before_anything_starts(tmp_path: Path) -> None:
    write_secret(tmp_path / "key", "short")
    settings = SafetySettings(listen=Endpoint(host="127.0.0.1", port=47801), key_file=tmp_path / "key")
    clock = SystemClock()

    with pytest.raises(SettingsError, match="has 5 characters: it needs at least 16"):
        FireLink(settings, DeviceIdentity("m", "d"), MarketAlarm("d", clock), clock, lambda _name, _detail: None)
