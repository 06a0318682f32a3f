"""The direct link: every device of a market tells the others its fires, without a broker. UDP, HMAC, no clocks."""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

import structlog

from contract.access import DeviceIdentity
from edge.ports import ActiveFire
from edge.safety.alarm import MarketAlarm
from edge.safety.link_message import FIRES_TOLD_MAX, BadDatagramError, LinkMessage, ToldFire, seal, unseal
from edge.settings import SafetySettings
from edge.supervision import FaultSink
from runtime.clock import Clock
from runtime.errors import SettingsError
from runtime.secret_files import read_secret

log = structlog.get_logger(__name__)

REPEAT_S = 1.0  # while there is a fire, and for TAIL_S after
QUIET_REPEAT_S = 5.0
TAIL_S = 10.0
SILENT_AFTER_S = 30.0
PEERS = "fire-link-peers"
REMEMBERED_MAX = 128
ANSWER_GAP_S = 0.2
KEY_LENGTH_MIN = 16
REFUSED_LOG_PERIOD_S = 60.0

Address = tuple[str, int]
K = TypeVar("K")
V = TypeVar("V")


class FireLink:
    """Sends this device's own fires to every peer at once and every second; acts on theirs.

    With no fire it speaks every five seconds, so that sessions are known before they are needed; a peer that is not
    heard for half a minute is a fault of `PEERS`. Remembered sessions are bounded by `REMEMBERED_MAX`, the longest
    unheard goes. Datagrams under another key are counted and not answered.

    Raises:
        SettingsError: the market's key cannot be read or is too short.
    """

    name = "fire-link"

    def __init__(
        self,
        settings: SafetySettings,
        identity: DeviceIdentity,
        alarm: MarketAlarm,
        clock: Clock,
        on_fault: FaultSink,
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._alarm = alarm
        self._clock = clock
        self._key = _read_key(settings)
        self._session = secrets.token_hex(16)
        self._number = 0
        self._numbers: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._answered_s: OrderedDict[str, float] = OrderedDict()
        self._sessions_at: OrderedDict[Address, str] = OrderedDict()
        self._targets: list[Address] = [(peer.host, peer.port) for peer in settings.peers]
        self._on_fault = on_fault
        self._heard_s = dict.fromkeys(self._targets, clock.monotonic_s())
        self._silent: list[str] = []
        self._changed = asyncio.Event()
        self._fires: tuple[ActiveFire, ...] = ()
        self._spoke_of_fire_s = float("-inf")
        self._transport: asyncio.DatagramTransport | None = None
        self._refused_count = 0
        self._refused_logged_s = float("-inf")
        alarm.listen(self._on_alarm)

    @property
    def refused_count(self) -> int:
        """Datagrams that were not from this market's devices, or were old ones."""
        return self._refused_count

    async def run(self) -> None:
        """Listen and speak until cancelled.

        Raises:
            OSError: the address cannot be listened on; supervision tries again.
        """
        loop = asyncio.get_running_loop()
        listen = self._settings.listen
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: _Protocol(self._on_datagram), local_addr=(listen.host, listen.port)
        )
        try:
            while True:
                self._changed.clear()
                self._speak()
                self._look_for_silent_peers()
                await self._sleep()
        finally:
            self._transport.close()
            self._transport = None

    def _on_alarm(self, _fires: tuple[ActiveFire, ...]) -> None:
        own = self._alarm.own_fires
        if own != self._fires:
            self._fires = own
            self._spoke_of_fire_s = self._clock.monotonic_s()
            self._speak()  # now, not at the loop's next turn
            self._changed.set()

    async def _sleep(self) -> None:
        now_s = self._clock.monotonic_s()
        if self._fires:
            self._spoke_of_fire_s = now_s
        busy = now_s - self._spoke_of_fire_s < TAIL_S
        try:
            async with asyncio.timeout(REPEAT_S if busy else QUIET_REPEAT_S):
                await self._changed.wait()
        except TimeoutError:
            return

    def _look_for_silent_peers(self) -> None:
        """Say which peers have not been heard for `SILENT_AFTER_S`: a fire there would not be heard either."""
        now_s = self._clock.monotonic_s()
        silent = [f"{host}:{port}" for (host, port), at_s in self._heard_s.items() if now_s - at_s > SILENT_AFTER_S]
        if silent != self._silent:
            self._silent = silent
            self._on_fault(PEERS, f"not heard for {SILENT_AFTER_S:g} s: {', '.join(silent)}" if silent else None)

    def _speak(self) -> None:
        for address in self._targets:
            self._send(address)

    def _send(self, address: Address) -> None:
        if self._transport is None:
            return
        self._number += 1
        message = LinkMessage(
            market=self._identity.market,
            device=self._identity.device,
            session=self._session,
            number=self._number,
            heard_session=self._sessions_at.get(address),
            fires=tuple(
                ToldFire(event_id=one.event_id, zone=one.zone, camera=one.camera, since_unix_ms=one.since_unix_ms)
                for one in self._fires[:FIRES_TOLD_MAX]
            ),
        )
        self._transport.sendto(seal(message, self._key), address)

    def _on_datagram(self, datagram: bytes, address: Address) -> None:
        try:
            message = unseal(datagram, self._key)
        except BadDatagramError as error:
            self._refuse(address, str(error))
            return
        if message.market != self._identity.market or message.device == self._identity.device:
            self._refuse(address, f"says it is {message.market}/{message.device}")
            return
        if message.heard_session != self._session:
            self._introduce(message, address)
            return
        # Every session of a device has its own highest number: one that has ended cannot be played back either.
        speaker = (message.device, message.session)
        if message.number <= self._numbers.get(speaker, 0):
            self._refuse(address, "repeats an old datagram")
            return
        _remember(self._numbers, speaker, message.number)
        self._know(address, message.session)
        if address in self._heard_s:
            self._heard_s[address] = self._clock.monotonic_s()
        self._alarm.on_link(message.device, message.active())

    def _introduce(self, message: LinkMessage, address: Address) -> None:
        """Answer a device that does not know this session yet, at most five times a second for each device."""
        self._know(address, message.session)
        now_s = self._clock.monotonic_s()
        if now_s - self._answered_s.get(message.device, float("-inf")) >= ANSWER_GAP_S:
            _remember(self._answered_s, message.device, now_s)
            self._send(address)

    def _know(self, address: Address, session: str) -> None:
        """Remember whose session is at an address; a new one of a known peer is told the fires at once."""
        news = self._sessions_at.get(address) != session
        _remember(self._sessions_at, address, session)
        if news and self._fires and address in self._targets:
            self._send(address)

    def _refuse(self, address: Address, why: str) -> None:
        self._refused_count += 1
        now_s = self._clock.monotonic_s()
        if now_s - self._refused_logged_s >= REFUSED_LOG_PERIOD_S:
            self._refused_logged_s = now_s
            log.warning("link.refused", sender=address[0], reason=why, count=self._refused_count)


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, on_datagram: Callable[[bytes, Address], None]) -> None:
        self._on_datagram = on_datagram

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        self._on_datagram(data, (str(addr[0]), int(addr[1])))

    def error_received(self, exc: Exception) -> None:
        # A peer that is down answers with ICMP: it is told again in a second.
        log.debug("link.peer_unreachable", error=str(exc))


def _remember(memory: OrderedDict[K, V], key: K, value: V) -> None:
    """Set and keep bounded: what was not touched for the longest goes."""
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > REMEMBERED_MAX:
        memory.popitem(last=False)


def _read_key(settings: SafetySettings) -> bytes:
    key = read_secret(settings.key_file)
    if len(key) < KEY_LENGTH_MIN:
        raise SettingsError(
            f"{settings.key_file}: the market's key has {len(key)} characters: it needs at least {KEY_LENGTH_MIN}"
        )
    return key.encode()
