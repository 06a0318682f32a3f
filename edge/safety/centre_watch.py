"""When a device acts without the centre: pure, by a clock that somebody else reads."""

from dataclasses import dataclass
from typing import Literal

DOWN_FOR_S = 2.0  # a link that is lost for less is one that reconnects
BACK_FOR_S = 60.0
GONE_AGAIN_AFTER_S = 6 * 3600.0


def tells_at_s(confirmed_s: float, down_since_s: float | None, wait_s: float) -> float:
    """When a fire that the centre has not confirmed is told from here.

    `wait_s` after it was confirmed by this device; without a link at once, which is `DOWN_FOR_S` after it was lost.
    """
    waited_s = confirmed_s + wait_s
    return waited_s if down_since_s is None else max(confirmed_s, min(waited_s, down_since_s + DOWN_FOR_S))


@dataclass(slots=True)
class CentreWatch:
    """Whether people are to be told that the centre is gone, or back.

    Gone: no link for `gone_after_s`. Back: after that a link that has stood for `BACK_FOR_S`. A link that comes and
    goes tells that it is gone once in `GONE_AGAIN_AFTER_S` at most. A start counts as the loss of the link.
    """

    gone_after_s: float
    down_since_s: float | None
    is_gone_told: bool = False
    told_s: float = float("-inf")
    up_since_s: float | None = None

    def look(self, now_s: float, *, connected: bool) -> Literal["gone", "back"] | None:
        """What to tell now; each is said once."""
        if not connected:
            self.up_since_s = None
            self.down_since_s = now_s if self.down_since_s is None else self.down_since_s
            is_gone = now_s - self.down_since_s >= self.gone_after_s
            if is_gone and not self.is_gone_told and now_s - self.told_s >= GONE_AGAIN_AFTER_S:
                self.is_gone_told, self.told_s = True, now_s
                return "gone"
            return None
        self.down_since_s = None
        self.up_since_s = now_s if self.up_since_s is None else self.up_since_s
        if self.is_gone_told and now_s - self.up_since_s >= BACK_FOR_S:
            self.is_gone_told = False
            return "back"
        return None
