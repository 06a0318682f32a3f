"""Live views of cameras: the newest picture of each, handed to whoever looks. Nothing of it is stored.

Everything here runs on one event loop, but for `newest` and `until`, which any thread may ask.
"""

import asyncio
import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from broker.console.problems import ExplainedError
from contract.access import DeviceIdentity
from contract.cameras import ViewPicture
from runtime.clock import Clock

VIEWERS_MAX = 20
PICTURES_MAX = 50
KEPT_MS = 600_000  # for drawing zones on; older ones say nothing of where the camera looks now
FRESH_MS = 3_000
JPEG_START = b"\xff\xd8\xff"


class TooManyViewersError(ExplainedError):
    """As many live views are being looked at as this process serves."""


@dataclass(frozen=True, slots=True)
class Place:
    """A camera of a device."""

    identity: DeviceIdentity
    camera: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture of a view as it came."""

    said: ViewPicture
    jpeg: bytes
    heard_unix_ms: int

    def is_fresh(self, now_unix_ms: int) -> bool:
        """Whether it may still be looked at as now."""
        return now_unix_ms - self.heard_unix_ms <= FRESH_MS


class Viewer:
    """Who looks: one slot, in which the newest picture replaces one that was not fetched."""

    def __init__(self) -> None:
        self._slot: Shown | None = None
        self._filled = asyncio.Event()

    def offer(self, shown: Shown) -> None:
        """Put a picture into the slot."""
        self._slot = shown
        self._filled.set()

    async def next(self, within_s: float) -> Shown | None:
        """The next picture, or None after `within_s` seconds without one."""
        try:
            await asyncio.wait_for(self._filled.wait(), within_s)
        except TimeoutError:
            return None
        self._filled.clear()
        shown, self._slot = self._slot, None
        return shown


class Views:
    """All live views: until when each was asked for, its newest picture, its viewers.

    At most `PICTURES_MAX` pictures are held, the one that came first goes, and none for longer than `KEPT_MS`.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[Place, int] = {}
        self._newest: dict[Place, Shown] = {}
        self._viewers: dict[Place, set[Viewer]] = {}

    def start(self, place: Place, until_unix_ms: int) -> None:
        """A view was asked for and runs until then; until a time that is past: it is over."""
        self._until[place] = until_unix_ms

    def until(self, place: Place) -> int | None:
        """Until when the view runs; None if it does not."""
        until = self._until.get(place)
        return until if until is not None and until > self._clock.unix_ms() else None

    def note(self, identity: DeviceIdentity, picture: ViewPicture) -> None:
        """A picture has come. One that nobody has asked for here is not kept."""
        place, now = Place(identity, picture.camera), self._clock.unix_ms()
        if self.until(place) is None:
            return
        try:
            jpeg = base64.b64decode(picture.jpeg_base64, validate=True)
        except binascii.Error:  # no picture: its age goes on and says so
            return
        if not jpeg.startswith(JPEG_START):
            return
        shown = Shown(picture, jpeg, now)
        self._newest.pop(place, None)
        self._newest[place] = shown
        self._forget(now)
        for viewer in self._viewers.get(place, ()):
            viewer.offer(shown)

    def newest(self, place: Place) -> Shown | None:
        """The newest picture, if it is not older than `KEPT_MS`."""
        shown = self._newest.get(place)
        return shown if shown is not None and self._clock.unix_ms() - shown.heard_unix_ms <= KEPT_MS else None

    @contextmanager
    def watch(self, place: Place) -> Iterator[Viewer]:
        """A viewer of this camera; a picture that is still fresh is in its slot.

        Raises:
            TooManyViewersError: no more are served.
        """
        if sum(map(len, self._viewers.values())) >= VIEWERS_MAX:
            raise TooManyViewersError("viewers_full", n=VIEWERS_MAX)
        viewer = Viewer()
        shown = self._newest.get(place)
        if shown is not None and shown.is_fresh(self._clock.unix_ms()):
            viewer.offer(shown)
        self._viewers.setdefault(place, set()).add(viewer)
        try:
            yield viewer
        finally:
            self._viewers[place].discard(viewer)
            if not self._viewers[place]:
                del self._viewers[place]

    def _forget(self, now_unix_ms: int) -> None:
        for place, shown in tuple(self._newest.items()):
            if now_unix_ms - shown.heard_unix_ms > KEPT_MS or len(self._newest) > PICTURES_MAX:
                del self._newest[place]
        self._until = {place: until for place, until in self._until.items() if until > now_unix_ms - KEPT_MS}
