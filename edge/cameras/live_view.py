"""When a live view's picture is due. Bounded in rate and time; nothing is kept. Pure."""

from edge.cameras.lines import ViewOrder


class LiveView:
    """Asked with each picture; says yes at most `fps` times a second until the time is up."""

    def __init__(self) -> None:
        self._until_s = float("-inf")
        self._interval_s = 1.0
        self._due_s = 0.0

    def order(self, order: ViewOrder, now_s: float) -> None:
        """Begin, prolong, or end (0 seconds) the view."""
        self._interval_s = 1.0 / order.fps
        self._until_s = now_s + order.lasts_s if order.lasts_s > 0 else float("-inf")
        self._due_s = min(self._due_s, now_s)

    def is_due(self, now_s: float) -> bool:
        """Whether the picture of now is one of the view's; answering yes counts as having shown it."""
        if now_s >= self._until_s or now_s < self._due_s:
            return False
        self._due_s = max(self._due_s + self._interval_s, now_s)
        return True
