"""A camera's fire from raised to cleared, across restarts of its process. Pure functions of the injected time."""

import uuid
from dataclasses import dataclass
from typing import Literal

from contract.events import Phase
from edge.cameras.lines import FireLine, StatusLine

ONGOING_EVERY_S = 30.0


@dataclass(slots=True)
class Episode:
    """A fire that this camera holds. `event_id` is made when it is raised and stays until it is cleared.

    So does `drill`. `line` is what the process said when it confirmed the fire.
    """

    event_id: str
    score: float
    first_seen_unix_ms: int
    decided_unix_ms: int
    position_s: float | None
    said_s: float
    line: FireLine
    drill: bool = False
    confirmed_by_this_process: bool = True
    quiet_since_s: float | None = None


class EpisodeKeeper:
    """Decides what is said of a camera's fire.

    It is raised when the process confirms it and cleared when the process that confirmed it says it is over. A process
    that dies, an absent camera, a frozen picture clear nothing: a later process has to see quiet, moving pictures for
    `clear_after_s` without a break. Until then the fire is repeated as ongoing every `ONGOING_EVERY_S`, with the last
    known score. A camera that burnt never clears its fire; that takes a restart of the agent.
    """

    def __init__(self, clear_after_s: float) -> None:
        self._clear_after_s = clear_after_s
        self.episode: Episode | None = None

    def fire_line(
        self, line: FireLine, now_s: float, now_unix_ms: int, *, drill: bool = False
    ) -> Literal[Phase.RAISED, Phase.CLEARED] | None:
        """Take a decision of the process; the phase to say, if any. With `drill` a fire that is raised is one."""
        episode = self.episode
        if line.fire != "confirmed":
            return Phase.CLEARED if episode is not None else None
        if episode is not None:
            episode.confirmed_by_this_process, episode.quiet_since_s = True, None
            return None
        self.episode = _begun(line, now_s, now_unix_ms, line.first_seen_age_s, drill=drill)
        return Phase.RAISED

    def make_real(self, now_s: float, now_unix_ms: int) -> None:
        """What burns is no drill any more: a fire of its own, seen and decided now. Clear the drill before."""
        if self.episode is not None:
            self.episode = _begun(self.episode.line, now_s, now_unix_ms, 0.0, drill=False)

    def status_line(self, line: StatusLine, now_s: float, *, live: bool) -> Literal[Phase.CLEARED] | None:
        """Take a status. `live` says that its pictures are fresh and moving."""
        episode = self.episode
        if episode is None:
            return None
        if live and line.fire == "confirmed":
            episode.score = line.score
        if episode.confirmed_by_this_process:
            return None
        if not live or line.fire != "quiet":
            episode.quiet_since_s = None
            return None
        if episode.quiet_since_s is None:
            episode.quiet_since_s = now_s
        return Phase.CLEARED if now_s - episode.quiet_since_s >= self._clear_after_s else None

    def process_ended(self) -> None:
        """The process is gone: what the next one does not see is no proof yet."""
        if self.episode is not None:
            self.episode.confirmed_by_this_process = False
            self.episode.quiet_since_s = None

    def ongoing_due(self, now_s: float) -> bool:
        """Whether it is time to repeat that the fire goes on; answering yes counts as having said so."""
        episode = self.episode
        if episode is None or now_s - episode.said_s < ONGOING_EVERY_S:
            return False
        episode.said_s = now_s
        return True


def _begun(line: FireLine, now_s: float, now_unix_ms: int, first_seen_age_s: float, *, drill: bool) -> Episode:
    return Episode(
        event_id=uuid.uuid4().hex,
        score=line.score,
        first_seen_unix_ms=max(0, now_unix_ms - round(first_seen_age_s * 1000)),
        decided_unix_ms=now_unix_ms,
        position_s=line.position_s,
        said_s=now_s,
        line=line,
        drill=drill,
    )
