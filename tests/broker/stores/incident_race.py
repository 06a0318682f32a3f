"""A process that raises, clears and acknowledges with many threads, while another one does the same."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier as ProcessBarrier

from broker.stores.database import StoreUnavailableError, open_database
from broker.stores.incident_models import Change, Sighting
from broker.stores.incidents import Incidents
from broker.stores.message_models import NewMessage
from contract.events import Phase
from runtime.clock import ManualClock

MARKET, ZONE = "jungang", "b"
NOW_UNIX_MS = 1_795_000_000_000
THREADS = 4
ROUNDS = 6
TRIES_MAX = 50
WAIT_S_MAX = 60.0

_gates: list[ProcessBarrier] = []

Work = Callable[[Incidents, int, threading.Barrier], "Done"]


@dataclass(frozen=True, slots=True)
class Done:
    """What one process has done: acknowledgements that counted, and effects by name."""

    firsts: int
    effects: tuple[str, ...]


def wait_at(gate: ProcessBarrier) -> None:
    """The pool's initializer."""
    _gates.append(gate)


def one_message(change: Change) -> tuple[NewMessage, ...]:
    """The same first word whoever composes it."""
    told = change.incident is not None and change.effect.value == "opened"
    return (NewMessage("0", "김관리", "01011110001", "[화재]", NOW_UNIX_MS),) if told else ()


def said(process: int, thread: int, number: int, phase: Phase, offset_ms: int = 0) -> Sighting:
    """A word of this thread's own camera about its `number`-th flame."""
    camera = f"cam-{process}-{thread}"
    steps = {Phase.RAISED: 0, Phase.ONGOING: 1, Phase.CLEARED: 2}
    return Sighting(
        market=MARKET,
        device=f"pi-{process}",
        epoch=f"{thread:016x}",
        seq=number * 10 + steps[phase] + 1,
        event_id=f"{process:08x}{thread:08x}{number:016x}",
        name="fire",
        phase=phase,
        time_unix_ms=NOW_UNIX_MS + offset_ms,
        zone=ZONE,
        kind="fire",
        severity="fire",
        subject=camera,
    )


def raise_and_acknowledge(url: str, process: int) -> Done:
    """Every thread raises and repeats a fire, and acknowledges whatever is active, as fast as it can."""

    def work(store: Incidents, thread: int, gate: threading.Barrier) -> Done:
        effects, firsts = [], 0
        gate.wait()
        for number in range(ROUNDS):
            for phase in (Phase.RAISED, Phase.ONGOING):
                (change,) = store.record([said(process, thread, number, phase)], one_message)
                effects.append(change.effect.value)
            for one in store.open_and_recent(MARKET):
                firsts += store.acknowledge(one.incident_id, f"{process}-{thread}", "link").is_first
        return Done(firsts, tuple(effects))

    return _together(url, work)


def live(url: str, process: int) -> Done:
    """Every thread lets a camera see a flame and lose it again; some acknowledge, some close what is over.

    All begin each round together, longer than the window after the one before.
    """

    def work(store: Incidents, thread: int, gate: threading.Barrier) -> Done:
        dice, effects, firsts = random.Random(process * 100 + thread), [], 0
        for number in range(ROUNDS):
            gate.wait()
            at = number * 90_000 + thread
            for phase in (Phase.RAISED, Phase.CLEARED):
                seen = said(process, thread, number, phase, at + (5_000 if phase is Phase.CLEARED else 0))
                effects.append(_until_written(store, seen))
                if dice.random() < 0.5:
                    newest = store.open_and_recent(MARKET, limit=1)[0]
                    firsts += store.acknowledge(newest.incident_id, f"{process}-{thread}", "reply").is_first
            store.close_over()
        return Done(firsts, tuple(effects))

    return _together(url, work)


def _until_written(store: Incidents, seen: Sighting) -> str:
    for _ in range(TRIES_MAX):
        try:
            return store.record([seen], one_message)[0].effect.value
        except StoreUnavailableError:  # the database chose it to make room for the others: as the pipeline does, again
            continue
    raise AssertionError(f"{seen.event_id} could not be written in {TRIES_MAX} tries")


def _together(url: str, work: Work) -> Done:
    engine = open_database(url)
    gate = threading.Barrier(THREADS, action=_wait_for_the_other)
    stores = [Incidents(engine, ManualClock(NOW_UNIX_MS), window_s=60.0) for _ in range(THREADS)]

    try:
        with ThreadPoolExecutor(THREADS) as pool:
            done = list(pool.map(lambda thread: work(stores[thread], thread, gate), range(THREADS)))
    finally:
        engine.dispose()
    return Done(sum(one.firsts for one in done), tuple(effect for one in done for effect in one.effects))


def _wait_for_the_other() -> None:
    for one in _gates:
        one.wait(WAIT_S_MAX)
