"""What a screen's page says it really shows, and what is reported of it. Pure functions of the injected time."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from contract.ids import Id
from contract.payload import Count, UnixMs
from contract.telemetry import Reason, ScreenReading

SILENT_AFTER_S = 10.0
REPORT_EVERY_S = 5.0

Showing = Literal["standby", "notice", "occupancy", "evacuation", "nothing"]


class Heartbeat(BaseModel):
    """What the page posts every two seconds and at once when it has painted something else.

    `painted_unix_ms` is when the page painted what it shows now, by the same machine's clock; `nothing` is what a page
    says that the browser does not paint (hidden, minimised).
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    showing: Showing
    item: Id | None = None
    generation: Count = 0
    painted_unix_ms: UnixMs


class ScreenWatch:
    """One screen: its page's last heartbeat. Unknown without one for `SILENT_AFTER_S`."""

    def __init__(self, screen: str, now_s: float, now_unix_ms: int) -> None:
        self._screen = screen
        self._started_s = now_s
        self._last: Heartbeat | None = None
        self._heard_s = now_s
        self._since_unix_ms = now_unix_ms
        self._told: tuple[object, ...] | None = None
        self._told_s = 0.0

    def heartbeat(self, heartbeat: Heartbeat, now_s: float) -> None:
        """The page has said what it shows."""
        self._last, self._heard_s = heartbeat, now_s

    def due(self, now_s: float, now_unix_ms: int) -> ScreenReading | None:
        """A reading when something changed, and every `REPORT_EVERY_S`."""
        state, reason, detail = self._state(now_s)
        last = self._last
        summary = (state, reason, last and (last.showing, last.item, last.generation))
        changed = summary != self._told
        if not changed and now_s - self._told_s < REPORT_EVERY_S:
            return None
        if changed and state == "unknown":
            self._since_unix_ms = now_unix_ms
        self._told, self._told_s = summary, now_s
        return ScreenReading(
            time_unix_ms=now_unix_ms,
            screen=self._screen,
            state=state,
            reason=reason,
            detail=detail,
            showing=last.showing if last else "nothing",
            item=last.item if last else None,
            generation=last.generation if last else 0,
            since_unix_ms=last.painted_unix_ms if last and state == "live" else self._since_unix_ms,
        )

    def _state(self, now_s: float) -> tuple[Literal["live", "unknown"], Reason | None, str | None]:
        if self._last is None and now_s - self._started_s <= SILENT_AFTER_S:
            return "unknown", Reason.STARTING, "no browser has opened the screen's page yet"
        if now_s - self._heard_s > SILENT_AFTER_S:
            return "unknown", Reason.NO_HEARTBEAT, f"the screen's page said nothing for more than {SILENT_AFTER_S:g} s"
        return "live", None, None
