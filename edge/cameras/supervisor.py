"""Keeps one camera's process alive, and turns what it says into readings and fire decisions."""

import asyncio
import base64
import contextlib
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path

import structlog
from pydantic import ValidationError

from contract.events import Phase
from contract.telemetry import CameraReading, Reason
from edge.cameras.episode import EpisodeKeeper
from edge.cameras.health import CameraHealth
from edge.cameras.lines import LINE, LINE_BYTES_MAX, EndLine, FireLine, Line, StatusLine, WatchSettings
from edge.ports import FireDecision, FireSink, Report, StillPicture
from edge.settings import CameraSettings
from runtime.backoff import Backoff
from runtime.clock import Clock

log = structlog.get_logger(__name__)

COMMAND = (sys.executable, "-m", "edge.cameras.process")
REPORT_EVERY_S = 2.0
SILENT_S_MAX = 5.0
"""The process writes a line every second; without one for this long it is hung or starved, and is killed."""
END_WITHIN_S = 1.0
SETTLED_AFTER_S = 10.0
RESTART_DELAY_S_MIN, RESTART_DELAY_S_MAX = 0.5, 10.0

_SOURCE_ROOT = Path(__file__).resolve().parents[2]


class CameraSupervisor:
    """One camera: its process, its health, its fire. A `Component` of the agent.

    The process is restarted with bounded back-off (at most `RESTART_DELAY_S_MAX` between tries, so that a camera that
    comes back is seen within about ten seconds). A file that does not loop is played once; then the camera stays
    `unknown` for the reason `ended`.
    """

    def __init__(
        self,
        camera: CameraSettings,
        *,
        report: Report,
        on_decision: FireSink,
        clock: Clock,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._camera = camera
        self._report = report
        self._on_decision = on_decision
        self._clock = clock
        self._command = tuple(command)
        self._health = CameraHealth()
        self._keeper = EpisodeKeeper(camera.fire.clear_after_s)
        self._reported: tuple[str, Reason | None, str | None, str] | None = None
        self._reported_s = 0.0

    @property
    def name(self) -> str:
        """The camera's id."""
        return self._camera.name

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
            *self._command, stdin=PIPE, stdout=PIPE, limit=LINE_BYTES_MAX, env=_environment()
        )
        try:
            await self._send_settings(process)
            await self._follow(process)
        finally:
            await _end(process)
        self._health.process_ended(process.returncode)

    async def _send_settings(self, process: Process) -> None:
        settings = WatchSettings(
            camera=self._camera.name, source=self._camera.source, loop=self._camera.loop, fire=self._camera.fire
        )
        if process.stdin is None:
            raise RuntimeError("the camera's process was started without a standard input")
        with contextlib.suppress(ConnectionError):  # it died at once: the end of its output says so next
            process.stdin.write(settings.model_dump_json().encode() + b"\n")
            await process.stdin.drain()

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
        if isinstance(line, FireLine):
            self._decide(self._keeper.fire_line(line, now_s, self._clock.unix_ms()), line)
        elif isinstance(line, EndLine):
            self._health.end_line(line)
        else:
            self._take_status(line, now_s)
        self._tell()

    def _take_status(self, line: StatusLine, now_s: float) -> None:
        self._health.status_line(line, now_s)
        live = self._health.state(now_s)[0] == "live" and line.picture == "moving"
        self._decide(self._keeper.status_line(line, now_s, live=live))

    def _decide(self, phase: Phase | None, line: FireLine | None = None) -> None:
        episode = self._keeper.episode
        if phase is None or episode is None:
            return
        still = None
        if line is not None and line.still_base64 is not None:
            still = StillPicture(base64.b64decode(line.still_base64), line.width_px, line.height_px)
        log.warning("camera.fire", camera=self.name, phase=phase.value, event_id=episode.event_id, score=episode.score)
        if phase is Phase.CLEARED:
            self._keeper.episode = None
        self._on_decision(
            FireDecision(
                event_id=episode.event_id,
                phase=phase,
                zone=self._camera.zone,
                camera=self.name,
                score=episode.score,
                first_seen_unix_ms=episode.first_seen_unix_ms,
                decided_unix_ms=episode.decided_unix_ms,
                media_position_s=episode.position_s,
                still=still,
            )
        )

    async def _tick(self) -> None:
        while True:
            self._tell(due=True)
            if self._keeper.ongoing_due(self._clock.monotonic_s()):
                self._decide(Phase.ONGOING)
            await asyncio.sleep(REPORT_EVERY_S)

    def _tell(self, *, due: bool = False) -> None:
        """Report when it is time to, and at once when the state has changed."""
        now_s = self._clock.monotonic_s()
        state, reason, detail = self._health.state(now_s)
        fire = "confirmed" if self._keeper.episode is not None else self._health.fire
        summary = (state, reason, detail, fire)
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
                fire=fire,
            )
        )


async def _end(process: Process) -> None:
    """Close its input, which ends it; kill it if that does not."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(END_WITHIN_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _environment() -> dict[str, str]:
    """The process imports the same code as the agent, wherever the agent was started."""
    paths = [str(_SOURCE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
