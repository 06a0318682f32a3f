"""Keeps one camera's process alive, and turns what it says into readings and fire decisions."""

import asyncio
import contextlib
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
from pydantic import ValidationError

from contract.cameras import CameraZone, ViewPicture
from contract.events import Phase
from contract.telemetry import CameraReading, Reason, Verdict
from edge.cameras.child import COMMAND, end, environment
from edge.cameras.decision import decision_of
from edge.cameras.episode import EpisodeKeeper
from edge.cameras.health import CameraHealth
from edge.cameras.lines import (
    LINE,
    LINE_BYTES_MAX,
    AcceptViewOrder,
    ClockOrder,
    DrillOrder,
    EndLine,
    FireLine,
    Line,
    Order,
    StatusLine,
    ViewLine,
    ViewOrder,
    WatchSettings,
    ZonesOrder,
)
from edge.ports import FireSink, Report, Timekeeper
from edge.settings import CameraSettings
from runtime.backoff import Backoff

log = structlog.get_logger(__name__)

REPORT_EVERY_S = 2.0
SILENT_S_MAX = 5.0
"""The process writes a line every second; without one for this long it is hung or starved, and is killed."""
SETTLED_AFTER_S = 10.0
RESTART_DELAY_S_MIN, RESTART_DELAY_S_MAX = 0.5, 60.0
CLOCK_EVERY_S = 60.0
DRILL_ENDS_WITHIN_S = 3.0
"""A flame that is still seen this long after the drill's time is no drill."""

OnView = Callable[[ViewPicture], None]


class CameraSupervisor:
    """One camera: its process, its health, its fire. A `Component` of the agent.

    A live camera that goes away is opened again by its process, at least every ten seconds. The process is restarted
    when it dies, is silent or hangs, with bounded back-off: one that dies again and again costs little. A file that
    does not loop is played once; then the camera stays `unknown` for the reason `ended`.

    What the camera remembers of its view is kept in `data_dir/<camera>.json`; without a folder it is learnt anew.
    Pictures of a live view go to `on_view`, on the event loop.
    """

    def __init__(
        self,
        camera: CameraSettings,
        *,
        report: Report,
        on_decision: FireSink,
        clock: Timekeeper,
        command: Sequence[str] = COMMAND,
        data_dir: Path | None = None,
        on_view: OnView = lambda _picture: None,
    ) -> None:
        self._camera = camera
        self._report = report
        self._on_decision = on_decision
        self._clock = clock
        self._command = tuple(command)
        self._reference_file = None if data_dir is None else data_dir / f"{camera.name}.json"
        self._on_view = on_view
        self._process: Process | None = None
        self._zones = camera.fire.zones, camera.fire.utc_offset_minutes
        self._view_until_s = self._drill_until_s = float("-inf")
        self._clock_said_s = 0.0
        self._health = CameraHealth()
        self._keeper = EpisodeKeeper(camera.fire.clear_after_s)
        self._reported: tuple[str, Reason | None, str | None, Verdict, bool] | None = None
        self._reported_s = 0.0

    @property
    def name(self) -> str:
        """The camera's id."""
        return self._camera.name

    def start_view(self, lasts_s: float) -> None:
        """Send pictures to `on_view` for so long, from now on; asking again prolongs it."""
        self._view_until_s = self._clock.monotonic_s() + lasts_s
        self._order(ViewOrder(lasts_s=lasts_s))

    def stop_view(self) -> None:
        """End the live view."""
        self.start_view(0.0)

    def start_drill(self, lasts_s: float) -> None:
        """For so long a fire that is confirmed is a drill. One that burns already stays what it is."""
        self._drill_until_s = self._clock.monotonic_s() + lasts_s
        log.warning("camera.drill", camera=self.name, lasts_s=lasts_s)
        self._say_drill(self._clock.monotonic_s())
        self._tell()

    def stop_drill(self) -> None:
        """End the drill."""
        self.start_drill(0.0)

    def accept_view(self) -> None:
        """What the camera shows in the next ten seconds becomes its reference."""
        log.info("camera.accept_view", camera=self.name)
        self._order(AcceptViewOrder())

    def use_zones(self, zones: tuple[CameraZone, ...], utc_offset_minutes: int) -> None:
        """These zones hold from now on, also for later processes."""
        self._zones = zones, utc_offset_minutes
        self._order(ZonesOrder(zones=zones, utc_offset_minutes=utc_offset_minutes))

    async def run(self) -> None:
        """Watch until cancelled; the process is gone when this returns."""
        backoff = Backoff(RESTART_DELAY_S_MIN, RESTART_DELAY_S_MAX)
        ticker = asyncio.create_task(self._tick())
        try:
            while True:
                begun_s = self._clock.monotonic_s()
                await self._run_process()
                self._keeper.process_ended()
                self._tell()
                if self._health.is_over:
                    await asyncio.Event().wait()
                if self._clock.monotonic_s() - begun_s > SETTLED_AFTER_S:
                    backoff.reset()
                delay_s = backoff.next_delay_s()
                log.warning("camera.restarts", camera=self.name, delay_s=round(delay_s, 1), detail=self._health.detail)
                await asyncio.sleep(delay_s)
        finally:
            ticker.cancel()

    async def _run_process(self) -> None:
        self._health.process_started(self._clock.monotonic_s())
        process = await asyncio.create_subprocess_exec(
            *self._command, stdin=PIPE, stdout=PIPE, limit=LINE_BYTES_MAX, env=environment()
        )
        try:
            await self._send_settings(process)
            self._process = process
            self._repeat_orders()
            await self._follow(process)
        finally:
            self._process = None
            await end(process)
        self._health.process_ended(process.returncode)

    async def _send_settings(self, process: Process) -> None:
        zones, utc_offset_minutes = self._zones
        settings = WatchSettings(
            camera=self._camera.name,
            source=self._camera.source,
            loop=self._camera.loop,
            fire=self._camera.fire.model_copy(update={"zones": zones, "utc_offset_minutes": utc_offset_minutes}),
            private_stills=self._camera.private_stills,
            reference_file=self._reference_file,
        )
        if process.stdin is None:
            raise RuntimeError("the camera's process was started without a standard input")
        with contextlib.suppress(ConnectionError):  # it died at once: the end of its output says so next
            process.stdin.write(settings.model_dump_json().encode() + b"\n")
            await process.stdin.drain()

    def _repeat_orders(self) -> None:
        """A process that takes the place of another goes on with its view and its drill."""
        now_s = self._clock.monotonic_s()
        self._say_clock(now_s)
        if self._view_until_s > now_s:
            self._order(ViewOrder(lasts_s=self._view_until_s - now_s))
        if self._drill_until_s > now_s:
            self._say_drill(now_s)

    def _say_drill(self, now_s: float) -> None:
        """The process writes it on the pictures of a live view: not on those of a fire that burnt before."""
        lasts_s = self._drill_until_s - now_s if self._is_drill(now_s) else 0.0
        self._order(DrillOrder(lasts_s=max(0.0, lasts_s)))

    def _say_clock(self, now_s: float) -> None:
        """The hours of zones go by the device's clock: a machine that does not know the time has one that is wrong."""
        self._clock_said_s = now_s
        known = self._clock.boot_id is None
        self._order(ClockOrder(offset_ms=self._clock.unix_ms() - round(now_s * 1000) if known else None))

    def _order(self, order: Order) -> None:
        """Tell the process, if there is one. Orders are small and few: nothing waits for them to be read."""
        process = self._process
        if process is not None and process.stdin is not None and not process.stdin.is_closing():
            process.stdin.write(order.model_dump_json().encode() + b"\n")

    async def _follow(self, process: Process) -> None:
        """Take lines until the process ends, is silent, or its pictures have stopped."""
        if process.stdout is None:
            raise RuntimeError("the camera's process was started without a standard output")
        while True:
            try:
                async with asyncio.timeout(SILENT_S_MAX):
                    text = await process.stdout.readline()
            except TimeoutError:
                self._health.gave_up(f"the camera's process said nothing for {SILENT_S_MAX:g} s and was ended")
                return
            except ValueError:
                self._health.gave_up(f"the camera's process wrote a line over {LINE_BYTES_MAX} bytes and was ended")
                return
            if not text:
                return
            try:
                line = LINE.validate_json(text)
            except ValidationError:
                log.warning("camera.bad_line", camera=self.name, line=text[:200].decode(errors="replace"))
                continue
            self._take(line)
            if self._health.must_restart(self._clock.monotonic_s()):
                return

    def _take(self, line: Line) -> None:
        now_s = self._clock.monotonic_s()
        if isinstance(line, ViewLine):
            self._show(line, now_s)
            return
        if isinstance(line, FireLine):
            drill = now_s < self._drill_until_s
            self._decide(self._keeper.fire_line(line, now_s, self._clock.unix_ms(), drill=drill))
        elif isinstance(line, EndLine):
            self._health.end_line(line)
        else:
            self._take_status(line, now_s)
        self._tell()

    def _take_status(self, line: StatusLine, now_s: float) -> None:
        self._health.status_line(line, now_s)
        state, reason, _ = self._health.state(now_s)
        # In the dark a flame would show; whatever else is wrong, a picture without one is no proof.
        live = (state == "live" or reason is Reason.TOO_DARK) and line.picture == "moving"
        self._decide(self._keeper.status_line(line, now_s, live=live))
        episode = self._keeper.episode
        drill_is_over = now_s >= self._drill_until_s + DRILL_ENDS_WITHIN_S
        if episode is not None and episode.drill and drill_is_over and line.score >= self._camera.fire.score_min:
            log.warning("camera.drill_became_fire", camera=self.name, event_id=episode.event_id)
            self._say(Phase.CLEARED)
            self._keeper.make_real(now_s, self._clock.unix_ms())
            self._say(Phase.RAISED)

    def _show(self, line: ViewLine, now_s: float) -> None:
        self._on_view(
            ViewPicture(
                camera=self.name,
                time_unix_ms=self._clock.unix_ms(),
                score=min(1.0, line.score),
                fire=line.fire,
                drill=self._is_drill(now_s),
                width_px=line.width_px,
                height_px=line.height_px,
                jpeg_base64=line.jpeg_base64,
            )
        )

    def _decide(self, phase: Phase | None) -> None:
        if phase is None or self._keeper.episode is None:
            return
        self._say(phase)
        if phase is Phase.CLEARED:
            self._keeper.episode = None
            self._say_drill(self._clock.monotonic_s())

    def _say(self, phase: Phase) -> None:
        episode = self._keeper.episode
        if episode is None:
            return
        log.warning(
            "camera.fire",
            camera=self.name,
            phase=phase.value,
            event_id=episode.event_id,
            score=episode.score,
            drill=episode.drill,
        )
        self._on_decision(decision_of(episode, phase, zone=self._camera.zone, camera=self.name))

    async def _tick(self) -> None:
        while True:
            self._tell(due=True)
            now_s = self._clock.monotonic_s()
            if self._keeper.ongoing_due(now_s):
                self._decide(Phase.ONGOING)
            if now_s - self._clock_said_s >= CLOCK_EVERY_S:
                self._say_clock(now_s)
            await asyncio.sleep(REPORT_EVERY_S)

    def _tell(self, *, due: bool = False) -> None:
        """Report when it is time to, and at once when the state has changed."""
        now_s = self._clock.monotonic_s()
        state, reason, detail = self._health.state(now_s)
        seen: Verdict = "confirmed" if self._keeper.episode is not None else self._health.fire
        drill = self._is_drill(now_s)
        summary = (state, reason, detail, seen, drill)
        if not due and summary == self._reported:
            return
        if self._reported is not None and summary[:2] != self._reported[:2]:
            log.info("camera.state", camera=self.name, state=state, reason=reason, detail=detail)
        self._reported = summary
        self._report(
            CameraReading(
                time_unix_ms=self._clock.unix_ms(),
                camera=self.name,
                state=state,
                reason=reason,
                detail=detail,
                frame_age_s=self._health.frame_age_s(now_s),
                fps=self._health.fps,
                fire_score=self._health.score,
                fire="quiet" if drill else seen,
                drill=seen if drill else None,
            )
        )

    def _is_drill(self, now_s: float) -> bool:
        """Whether what is seen now is a test. A fire that burnt before the drill is none; one of a drill stays one."""
        episode = self._keeper.episode
        return now_s < self._drill_until_s if episode is None else episode.drill
