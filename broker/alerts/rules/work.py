"""The rules' own thread in the alerts service: nothing that goes wrong here holds up a fire."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from broker.alerts.rules.watch import Record, RuleWatch
from broker.rules.files import RuleFolder
from broker.series.ports import SeriesStore
from broker.stores.incidents import Incidents
from broker.stores.registry import Registry
from broker.stores.rule_states import RuleStates
from runtime.clock import Clock
from runtime.errors import JangteoError

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 10.0


class RuleWork:
    """Looks every ten seconds with the rules as their files are then."""

    def __init__(self, folder: RuleFolder, watch: RuleWatch, clock: Clock) -> None:
        self._folder = folder
        self._watch = watch
        self._clock = clock
        self._table = folder.table()
        self._failure = ""
        self._look_s = 0.0

    @property
    def complaint(self) -> str:
        """What is wrong with the rules or with what they look at, in words; empty if nothing."""
        return "; ".join(f"rules: {one}" for one in (self._table.complaint, self._failure) if one)

    def counters(self) -> Mapping[str, float]:
        """For the part status."""
        firing, waiting = self._watch.counts()
        return {
            "rules": len(self._table.rules),
            "rules_firing": firing,
            "rules_waiting": waiting,
            "rules_turns_total": self._watch.turns_total,
            "rules_look_s": round(self._look_s, 3),
        }

    def look(self) -> None:
        """Look once; what fails is said in `complaint` and tried again next time."""
        begun_s = self._clock.monotonic_s()
        self._table = self._folder.table()
        if not self._table.is_usable:
            return
        try:
            self._watch.look(self._table.rules)
        except (JangteoError, DBAPIError) as error:
            if not self._failure:
                log.warning("rules.look-failed", reason=str(error))
            self._failure = str(error)
        except Exception as error:
            # a defect here is said and logged: its thread's end would end the service, and with it the alarms
            log.exception("rules.look-broken")
            self._failure = f"a look ended in {type(error).__name__}, see rules.look-broken in the log"
        else:
            self._failure = ""
        self._look_s = self._clock.monotonic_s() - begun_s

    def run(self, stop: threading.Event, beat: Callable[[], None], is_active: Callable[[], bool]) -> None:
        """Look every ten seconds while `is_active`, until told to stop. Another service's turns are read anew."""
        while not stop.is_set():
            if is_active():
                self.look()
            else:
                self._watch.forget()
            beat()
            stop.wait(LOOK_EVERY_S)


def rule_work(
    folder: Path, store: SeriesStore, registry: Registry, engine: Engine, clock: Clock, *, record: Record
) -> RuleWork:
    """The work on the rules in `folder`; connects to nothing."""
    watch = RuleWatch(store, registry, Incidents(engine, clock), RuleStates(engine), record, clock)
    return RuleWork(RuleFolder(folder), watch, clock)
