"""What ingest does beside its batches, in a thread of its own: review delivery numbers, replay dead letters."""

import threading

import structlog
from sqlalchemy.exc import SQLAlchemyError

from broker.ingest.gaps import GapReview
from broker.ingest.replay import Replayer
from runtime.errors import JangteoError
from runtime.watchdog import Beat

REVIEW_EVERY_S = 5.0
LOOK_EVERY_S = 0.5

log = structlog.get_logger(__name__)


class Ledger:
    """Reviews every `REVIEW_EVERY_S`, and replays what people asked for. Each worker runs one; they share the work."""

    def __init__(self, review: GapReview, replayer: Replayer, beat: Beat = lambda: None) -> None:
        self._review = review
        self._replayer = replayer
        self._beat = beat
        self._said = ""

    def run(self, stop: threading.Event) -> None:
        """Go on until `stop`, and review once more then: what a short run took is settled."""
        waited_s = REVIEW_EVERY_S
        while not stop.is_set():
            self._beat()
            self.turn(with_review=waited_s >= REVIEW_EVERY_S)
            waited_s = 0.0 if waited_s >= REVIEW_EVERY_S else waited_s + LOOK_EVERY_S
            stop.wait(LOOK_EVERY_S)
        self.turn(with_review=True)

    def turn(self, *, with_review: bool) -> None:
        """One turn; what is in its way is logged once, and the next turn tries again."""
        try:
            self._replayer.replay_wanted(self._beat)
            if with_review:
                self._review.review()
        except (JangteoError, SQLAlchemyError) as error:
            if str(error) != self._said:
                log.warning("ledger.waiting", error=str(error))
            self._said = str(error)
        else:
            self._said = ""
