"""The board: everything a screen's page has to know, in one state, and a signal when it changes."""

import asyncio
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict

from contract.schedule import decide
from contract.signage import Item, Manifest, Name
from edge.ports import ActiveFire, Timekeeper
from edge.signage.live import STALE_AFTER_S, LiveBays, LotView

KOREA_UTC_OFFSET_MINUTES = 540
CLOCK_STEP_MS = 100  # finer differences are the time it takes to read two clocks
UNNAMED_LETTERS_MAX = 2  # an id as short as a letter reads better as a capital

FindManifest = Callable[[], Manifest | None]


class _State(BaseModel):
    model_config = ConfigDict(frozen=True)


class FireState(_State):
    """An active fire, for the evacuation page."""

    zone: str
    zone_ko: str
    zone_en: str
    camera: str
    device: str
    since_unix_ms: int


class ItemState(_State):
    """A playlist's item, with the address of its picture."""

    item: str
    kind: str
    title: str
    text: str
    picture: str | None
    duration_s: float


class LotState(_State):
    """A lot's live values."""

    lot: str
    name_ko: str
    name_en: str
    free: int
    total: int
    unknown: int
    age_s: float
    stale: bool


class PageState(_State):
    """What a page shows: `fires` above everything, else `items` in turn, else the standby page.

    `is_fed`: whether the agent has its broker, so that live values can come in at all. `clock_ahead_ms`: how far the
    true time is ahead of this machine's wall clock, which a page reads; none while the device does not know the time.
    """

    market: str
    market_ko: str
    market_en: str
    screen: str
    zone: str
    generation: int
    utc_offset_minutes: int
    why: str
    playlist: str | None
    fires: tuple[FireState, ...]
    items: tuple[ItemState, ...]
    lots: tuple[LotState, ...]
    is_fed: bool
    clock_ahead_ms: int | None = None
    stale_after_s: float = STALE_AFTER_S


class Board:
    """Puts together what each page shows. Pages wait for `changed` and then read the whole state: nothing queues."""

    def __init__(
        self,
        market: str,
        zones: dict[str, str],
        *,
        manifest: FindManifest,
        bays: LiveBays,
        is_fed: Callable[[], bool],
        clock: Timekeeper,
    ) -> None:
        self._market = market
        self._zones = zones
        self._manifest = manifest
        self._bays = bays
        self._is_fed = is_fed
        self._clock = clock
        self._fires: tuple[ActiveFire, ...] = ()
        self._change = asyncio.Event()
        self._playlist: tuple[int, str | None] | None = None
        self.closed = False

    @property
    def screens(self) -> tuple[str, ...]:
        """The screens' names."""
        return tuple(self._zones)

    def show_fires(self, fires: tuple[ActiveFire, ...]) -> None:
        """The alarm has changed: every page is told now."""
        self._fires = fires
        self.changed()

    def changed(self) -> None:
        """Wake every page."""
        self._change.set()
        self._change = asyncio.Event()

    def open(self) -> None:
        """The player begins to serve."""
        self.closed = False

    def close(self) -> None:
        """The player stops: let every page's stream end."""
        self.closed = True
        self.changed()

    async def wait(self, timeout_s: float) -> None:
        """Until something changes, at most `timeout_s`."""
        change = self._change
        try:
            async with asyncio.timeout(timeout_s):
                await change.wait()
        except TimeoutError:
            return

    def follow_schedule(self) -> None:
        """Call once a second: wakes the pages when another playlist's time has come."""
        manifest = self._manifest()
        now = (manifest.generation if manifest else 0, self._decide(manifest)[0])
        if now != self._playlist:
            self._playlist = now
            self.changed()

    def state(self, screen: str) -> PageState:
        """What the page of `screen` shows.

        Raises:
            KeyError: there is no such screen.
        """
        zone = self._zones[screen]
        manifest = self._manifest()
        playlist, items, why = self._decide(manifest)
        if self._fires:
            why = f"{len(self._fires)} active fires: evacuation, above everything; else {why}"
        market = _name(self._market, (manifest.market_name,) if manifest and manifest.market_name else ())
        return PageState(
            market=self._market,
            market_ko=market.ko,
            market_en=market.en,
            screen=screen,
            zone=zone,
            generation=manifest.generation if manifest else 0,
            utc_offset_minutes=manifest.utc_offset_minutes if manifest else KOREA_UTC_OFFSET_MINUTES,
            why=why,
            playlist=playlist,
            fires=tuple(_fire(fire, manifest.zones if manifest else ()) for fire in self._fires),
            items=tuple(_item(item) for item in items),
            lots=self._lots(manifest.lots if manifest else ()),
            is_fed=self._is_fed(),
            clock_ahead_ms=self._clock_ahead_ms(),
        )

    def _clock_ahead_ms(self) -> int | None:
        if self._clock.boot_id is not None:
            return None
        now_unix_ms = self._clock.unix_ms()
        return round((self._clock.from_wall(now_unix_ms) - now_unix_ms) / CLOCK_STEP_MS) * CLOCK_STEP_MS

    def _decide(self, manifest: Manifest | None) -> tuple[str | None, tuple[Item, ...], str]:
        if manifest is None:
            return None, (), "no manifest yet: standby"
        if self._clock.boot_id is not None:
            return None, (), "this device does not know the time yet, so no schedule can be followed: standby"
        decision = decide(manifest, self._clock.unix_ms())
        if decision.playlist is None:
            return None, (), decision.why
        return decision.playlist.playlist, decision.playlist.items, decision.why

    def _lots(self, names: tuple[Name, ...]) -> tuple[LotState, ...]:
        return tuple(_lot(view, _name(view.lot, names)) for view in self._bays.lots(self._clock.monotonic_s()))


def _name(what: str, names: tuple[Name, ...]) -> Name:
    """What people call it; before the first manifest nobody has told, and the id has to do."""
    unnamed = what.upper() if len(what) <= UNNAMED_LETTERS_MAX else what
    return next((one for one in names if one.id == what), Name(id=what, ko=unnamed, en=unnamed))


def _fire(fire: ActiveFire, zones: tuple[Name, ...]) -> FireState:
    zone = _name(fire.zone, zones)
    return FireState(
        zone=fire.zone,
        zone_ko=zone.ko,
        zone_en=zone.en,
        camera=fire.camera,
        device=fire.device,
        since_unix_ms=fire.since_unix_ms,
    )


def _lot(view: LotView, name: Name) -> LotState:
    return LotState(
        lot=view.lot,
        name_ko=name.ko,
        name_en=name.en,
        free=view.free,
        total=view.total,
        unknown=view.unknown,
        age_s=round(view.age_s, 1),
        stale=view.stale,
    )


def _item(item: Item) -> ItemState:
    return ItemState(
        item=item.item,
        kind=item.kind,
        title=item.title,
        text=item.text,
        picture=None if item.picture_sha256 is None else f"/files/{item.picture_sha256}",
        duration_s=item.duration_s,
    )
