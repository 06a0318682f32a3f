"""The last resort: this device's own modem tells of a fire that the centre does not confirm, and of its absence."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

import structlog

from contract.delivery import Delivered
from contract.events import FireEvent, Phase, ToldEvent
from contract.roster import Roster, RosterPerson
from contract.topics import Topic, TopicFilter
from edge.ports import ActiveFire, AlarmState, Timekeeper
from edge.recording import Recorder
from edge.safety.centre_watch import CentreWatch, tells_at_s
from edge.safety.modem_texts import back_text, fire_text, gone_text
from edge.safety.told_state import KnownFire, ModemText, ToldState
from edge.settings import DeviceSettings, ModemSettings
from edge.state_file import StateFile
from edge.supervision import FaultSink
from runtime.errors import SettingsError
from runtime.gammu_folders import GammuFolders, ModemDownError, Received, Reported
from transport.ports import Session

log = structlog.get_logger(__name__)

MODEM = "modem"
LOOK_S = 1.0
SAME_FIRE_MS = 300_000  # a zone's next fire within this is the same incident at the centre, told once
EXPIRES_S = 900.0
TRIES_MAX = 3
CAP_PER_HOUR = 12
HOUR_S = 3600.0
SEEN_MAX = 1000
UNKNOWN_AFTER_S = 60.0
LAST_DIGITS = 8
NO_ROSTER = "nobody to tell: the centre has sent no roster with people in it"

K = TypeVar("K")
V = TypeVar("V")
Number = tuple[str, int]
"""An event's epoch and seq."""


class LastResort:
    """Watches fires, receipts and the link; hands texts to the modem; says to the centre whom it has told.

    A fire counts as received once `ack/delivered` names one of its events, or, of another device, once it was heard on
    the bus. What is not received in time is told to everybody of the roster's first step: one text each, three tries,
    `CAP_PER_HOUR` in an hour for each person, a zone's fires within five minutes once. A drill is no alarm and is
    never told. What was decided is on the disk before the modem gets it, under a number that stays the same, so that
    a restart sends nothing twice.
    """

    name = "last-resort"

    def __init__(  # noqa: PLR0913 - it stands between all of these
        self,
        settings: DeviceSettings,
        modem: ModemSettings,
        *,
        roster: Callable[[], Roster | None],
        alarm: AlarmState,
        recorder: Recorder,
        session: Session,
        clock: Timekeeper,
        on_fault: FaultSink,
    ) -> None:
        self._identity = settings.identity
        self._modem = modem
        self._roster = roster
        self._recorder = recorder
        self._session = session
        self._clock = clock
        self._on_fault = on_fault
        self._file = StateFile(settings.data_dir / "last_resort.json", ToldState(), private=True)
        self._state = self._saved = _begun(self._file.load(), clock.unix_ms())
        self._confirmed_s: dict[str, float] = {}
        self._numbers: OrderedDict[Number, str] = OrderedDict()  # of our own fire events → event id
        self._delivered: OrderedDict[Number, None] = OrderedDict()
        self._on_bus: OrderedDict[str, None] = OrderedDict()
        self._made_s: dict[int, float] = {}
        self._lately: dict[str, deque[float]] = {}
        self._begun_s = clock.monotonic_s()
        self._was_connected = False
        self._watch = CentreWatch(modem.centre_gone_after_s, self._begun_s, self._state.is_gone_told)
        since_s = (clock.unix_ms() - self._state.gone_unix_ms) / 1000
        if self._state.gone_unix_ms and since_s >= 0:
            self._watch.told_s = self._begun_s - since_s
        self._folders: GammuFolders | None = None
        self._reports: dict[int, Reported] = {}
        self._fault = ""
        self._wake = asyncio.Event()
        market = self._identity.market
        session.subscribe(TopicFilter(market=market, channel="event", name="fire"), FireEvent, self._on_fire)
        mine = TopicFilter(market, self._identity.device, "ack", "delivered")
        session.subscribe(mine, Delivered, self._on_delivered)
        alarm.listen(self._on_alarm)

    @property
    def texts(self) -> Sequence[ModemText]:
        """What has been asked of the modem, oldest first."""
        return self._state.texts

    async def run(self) -> None:
        """Look once a second, and at once when a fire begins, until cancelled."""
        while True:
            self._wake.clear()
            await self.look()
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Decide, send, and say what was sent."""
        now_s, connected = self._clock.monotonic_s(), self._session.connected
        self._was_connected |= connected
        self._watch_centre(now_s, connected=connected)
        self._decide(now_s)
        await self._save()  # what is decided stands on the disk before the modem has it
        state, fault = await asyncio.to_thread(self._work, self._state)
        self._take(state)
        self._say()
        await self._save()
        fault = fault or self._complaint(now_s)
        if fault != self._fault:
            self._fault = fault
            self._on_fault(MODEM, fault or None)

    # --- what is heard

    def _on_alarm(self, fires: tuple[ActiveFire, ...]) -> None:
        known = {one.event_id for one in self._state.fires}
        fresh = [one for one in fires if one.event_id not in self._confirmed_s]
        now_s = self._clock.monotonic_s()
        self._confirmed_s.update(dict.fromkeys((one.event_id for one in fresh), now_s))
        new = tuple(_known(one, self._clock.unix_ms()) for one in fresh if one.event_id not in known)
        if new:
            self._change(fires=(*self._state.fires, *new))
        active = {one.event_id for one in fires}
        undecided = {one.event_id for one in self._state.fires if not one.is_settled}
        # a fire that ends before it was told is told all the same: somebody has to look
        self._confirmed_s = {key: at_s for key, at_s in self._confirmed_s.items() if key in active | undecided}
        if fresh:
            self._wake.set()

    async def _on_fire(self, topic: Topic, event: FireEvent) -> None:
        if event.phase is Phase.CLEARED or event.drill:
            return
        if topic.device != self._identity.device:
            _remember(self._on_bus, event.event_id, None)
            return
        _remember(self._numbers, (event.epoch, event.seq), event.event_id)

    async def _on_delivered(self, _topic: Topic, delivered: Delivered) -> None:
        if delivered.store == "incidents":
            for seq in delivered.seqs:
                _remember(self._delivered, (delivered.epoch, seq), None)

    # --- what is decided

    def _decide(self, now_s: float) -> None:
        received = {event_id for number, event_id in self._numbers.items() if number in self._delivered}
        received |= self._on_bus.keys()
        down_since_s = self._watch.down_since_s if self._was_connected else None
        fires, texts = [], list(self._state.texts)
        for fire in self._state.fires:
            one = fire.model_copy(update={"is_received": True}) if fire.event_id in received else fire
            confirmed_s = self._confirmed_s.get(one.event_id)
            if one.is_settled or confirmed_s is None:
                fires.append(one)
                continue
            if now_s >= tells_at_s(confirmed_s, down_since_s, self._modem.wait_s) and (people := self._people()):
                if not self._is_told_already(one):
                    texts += self._fire_texts(one, people, now_s)
                one = one.model_copy(update={"is_told": True})
            fires.append(one)
        if tuple(fires) != self._state.fires or len(texts) != len(self._state.texts):
            self._change(fires=tuple(fires), texts=tuple(texts))

    def _is_told_already(self, fire: KnownFire) -> bool:
        return any(
            one.is_told and one.zone == fire.zone and abs(fire.seen_unix_ms - one.seen_unix_ms) < SAME_FIRE_MS
            for one in self._state.fires
            if one.event_id != fire.event_id
        )

    def _people(self) -> tuple[RosterPerson, ...]:
        roster = self._roster()
        return () if roster is None else tuple(one for one in roster.people if one.fire)

    def _fire_texts(self, fire: KnownFire, people: Iterable[RosterPerson], now_s: float) -> Sequence[ModemText]:
        roster = self._roster()
        assert roster is not None  # noqa: S101 - there are people in it
        log.warning("last-resort.fire", event_id=fire.event_id, zone=fire.zone, camera=fire.camera)

        def text(language: str) -> str:
            return fire_text(roster, fire.zone, fire.camera, self._clock.settled(fire.seen_unix_ms), language)

        return self._texts(people, text, now_s, fire=fire.event_id)

    def _watch_centre(self, now_s: float, *, connected: bool) -> None:
        roster = self._roster()
        if roster is None:
            return
        news = self._watch.look(now_s, connected=connected)
        if news is None:
            return
        log.warning("last-resort.centre", state=news)
        device, minutes = self._identity.device, round(self._modem.centre_gone_after_s / 60)
        text = partial(gone_text, roster, device, minutes) if news == "gone" else partial(back_text, roster, device)
        people = [one for one in roster.people if one.centre]
        gone_unix_ms = self._clock.unix_ms() if news == "gone" else self._state.gone_unix_ms
        texts = (*self._state.texts, *self._texts(people, text, now_s))
        self._change(texts=texts, is_gone_told=news == "gone", gone_unix_ms=gone_unix_ms)

    def _texts(
        self, people: Iterable[RosterPerson], text: Callable[[str], str], now_s: float, *, fire: str | None = None
    ) -> Sequence[ModemText]:
        made = []
        for one in people:
            lately = self._lately.setdefault(one.phone, deque())
            while lately and now_s - lately[0] > HOUR_S:
                lately.popleft()
            if len(lately) >= CAP_PER_HOUR:
                log.error("last-resort.capped", person=one.name, cap_per_hour=CAP_PER_HOUR)
                continue
            lately.append(now_s)
            number, words = self._next_number(), text(one.language)
            made.append(
                ModemText(number=number, phone=one.phone, text=words, made_unix_ms=self._clock.unix_ms(), fire=fire)
            )
        return made

    def _next_number(self) -> int:
        number = max(self._state.last_number + 1, self._clock.unix_ms() * 1000)
        self._change(last_number=number)
        return number

    # --- the modem, on a thread

    def _work(self, state: ToldState) -> tuple[ToldState, str]:
        """Hand over what waits, look what has become of the rest; and what is wrong with the modem, if anything."""
        try:
            folders = self._open()
            folders.look(self._heard)
        except (SettingsError, ModemDownError) as error:
            return state, str(error)
        said, self._reports = self._reports, {}
        received = {one.event_id for one in state.fires if one.is_received}
        fault, texts = folders.fault, []
        for text in state.texts:
            one = self._reported(text, said.get(text.number))
            if one.is_open:
                one = self._step(folders, one, received)
            texts.append(one)
        return state.model_copy(update={"texts": tuple(texts)}), fault

    def _heard(self, found: Reported | Received) -> None:
        if isinstance(found, Reported):
            self._reports[found.number] = found
        else:
            log.info("last-resort.text-came-in", reference=found.reference, consequence="nobody reads it here")

    def _open(self) -> GammuFolders:
        if self._folders is None:
            block = self._modem
            self._folders = GammuFolders(
                block.folder, block.pid_file, stuck_after_s=block.stuck_after_s, same_phone=_same_phone
            )
        return self._folders

    def _reported(self, text: ModemText, said: Reported | None) -> ModemText:
        if said is None or (text.state == "sent" and said.is_delivered):
            return text
        if said.is_delivered:
            return text.model_copy(update={"state": "sent"})
        log.warning("last-resort.not-sent", number=text.number, reason=said.detail, tries=text.tries)
        return text.model_copy(update={"state": "waiting" if text.tries < TRIES_MAX else "given-up"})

    def _step(self, folders: GammuFolders, text: ModemText, received: set[str]) -> ModemText:
        where = folders.folder_of(text.number, text.phone)
        if where == "sent" or (where is None and text.state == "queued"):
            return text.model_copy(update={"state": "sent"})
        if where == "outbox":
            return text.model_copy(update={"state": "queued", "tries": max(1, text.tries)})
        if text.fire in received or self._age_s(text) > EXPIRES_S:
            log.warning("last-resort.given-up", number=text.number, tries=text.tries)
            return text.model_copy(update={"state": "given-up"})
        try:
            folders.queue(text.number, text.phone, text.text)
        except ModemDownError:
            return text  # what is wrong is said as the modem's fault; it is tried again at the next look
        return text.model_copy(update={"state": "queued", "tries": text.tries + 1})

    def _age_s(self, text: ModemText) -> float:
        now_s = self._clock.monotonic_s()
        return now_s - self._made_s.setdefault(text.number, now_s)

    # --- what is said and kept

    def _take(self, worked: ToldState) -> None:
        """The texts as the thread left them; what began meanwhile stays."""
        done = {one.number: one for one in worked.texts}
        self._change(texts=tuple(done.get(one.number, one) for one in self._state.texts))
        kept = {one.number for one in self._state.texts}
        self._made_s = {number: at_s for number, at_s in self._made_s.items() if number in kept}

    def _say(self) -> None:
        fresh = [one for one in self._state.texts if one.state == "sent" and one.fire is not None and not one.is_said]
        if not fresh:
            return
        for fire in Counter(one.fire for one in fresh if one.fire is not None):
            phones = tuple(dict.fromkeys(one.phone for one in fresh if one.fire == fire))
            self._recorder.record(ToldEvent, partial(self._told_event, fire, phones, self._clock.unix_ms()))
        said = {one.number for one in fresh}
        self._change(
            texts=tuple(
                one.model_copy(update={"is_said": True}) if one.number in said else one for one in self._state.texts
            )
        )

    def _told_event(self, fire: str, phones: tuple[str, ...], now_unix_ms: int, epoch: str, seq: int) -> ToldEvent:
        return ToldEvent(
            epoch=epoch,
            seq=seq,
            event_id=fire,
            time_unix_ms=now_unix_ms,
            clock_set=self._clock.boot_id is None,
            phones=phones,
        )

    def _change(self, **values: object) -> None:
        self._state = self._state.model_copy(update=values)

    async def _save(self) -> None:
        state = self._state.pruned(self._clock.unix_ms())
        if state != self._saved:
            await asyncio.to_thread(self._file.save, state)
            self._saved = state

    def _complaint(self, now_s: float) -> str:
        roster = self._roster()
        is_new = now_s - self._begun_s < UNKNOWN_AFTER_S
        return "" if is_new or (roster is not None and roster.people) else NO_ROSTER


def _begun(state: ToldState, now_unix_ms: int) -> ToldState:
    """The state of an earlier run: what was sent is said to the centre once more, what is too old is left."""
    oldest_unix_ms = now_unix_ms - EXPIRES_S * 1000
    texts = [one.model_copy(update={"is_said": False}) for one in state.pruned(now_unix_ms).texts]
    return state.model_copy(
        update={
            "texts": tuple(
                one.model_copy(update={"state": "given-up"})
                if one.state == "waiting" and not oldest_unix_ms <= one.made_unix_ms <= now_unix_ms
                else one
                for one in texts
            )
        }
    )


def _known(fire: ActiveFire, now_unix_ms: int) -> KnownFire:
    return KnownFire(
        event_id=fire.event_id, device=fire.device, zone=fire.zone, camera=fire.camera, seen_unix_ms=now_unix_ms
    )


def _same_phone(one: str, other: str) -> bool:
    """However each is written: a country code or a zero before it makes no difference."""
    return _digits(one)[-LAST_DIGITS:] == _digits(other)[-LAST_DIGITS:]


def _digits(phone: str) -> str:
    return "".join(letter for letter in phone if letter.isdecimal())


def _remember(memory: OrderedDict[K, V], key: K, value: V) -> None:
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > SEEN_MAX:
        memory.popitem(last=False)
