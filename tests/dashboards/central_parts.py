"""What the central parts say of themselves, from their own code: a counter that is renamed there is missing here."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from broker.ingest import progress as ingest_progress
from broker.ingest.gaps import GapReview
from broker.ingest.refusal import RefusalKind
from broker.series.memory import MemorySeriesStore
from broker.series.ports import Sample, Series
from broker.stores.database import migrate, open_database, sqlite_url
from broker.stores.dead_letters import DeadLetter
from broker.stores.gap_records import GapRecords
from broker.stores.parts import PartStatus
from broker.stores.registry import MarketEntry, Named, Registry
from broker.stores.sequences import Sequences
from broker.stores.stalls import Stalls
from broker.upkeep.canary import Canary
from broker.upkeep.progress import Progress
from broker.upkeep.services import samples_of
from contract.access import DeviceIdentity
from contract.presence import Presence
from runtime.clock import ManualClock

NOW_MS = 1_772_700_000_000
MARKET = "jungang"


class CentralParts:
    """Ingest's and the canary's own counters, moved as their work moves them: a renamed one is missing here too."""

    def __init__(self, folder: Path) -> None:
        self._clock = ManualClock(NOW_MS)
        self._engine = open_database(sqlite_url(folder / "central.db"))
        migrate(self._engine)
        store, registry = MemorySeriesStore(), Registry(self._engine)
        self.ingest = ingest_progress.Progress(self._clock)
        sequences, records = Sequences(self._engine, self._clock), GapRecords(self._engine)
        self.gaps = GapReview(sequences, records, store, self._clock)
        self.upkeep = Progress()
        registry.enrol(MarketEntry(Named(MARKET, "시장", "Market"), devices=("parking-1",)))
        start = Presence(state="online", epoch="0" * 16, time_unix_ms=0, agent_version="1", started_unix_ms=0)
        registry.note_presence(DeviceIdentity(MARKET, "parking-1"), start)
        agent = Series(MARKET, "parking-1", "agents", "parking-1")
        store.write([Sample(agent, NOW_MS - 11_000, {"uptime_s": 1.0})])
        Canary(store, registry, Stalls(self._engine), self._clock, self.upkeep, age_s_max=150.0).look()

    def beat(self, number: int) -> Iterator[PartStatus]:
        """A beat's work is done; what each part says of itself."""
        letters = [_letter(kind) for kind in RefusalKind] if number % 600 == 599 else []
        self.ingest.committed(100, 2000, letters)
        self.ingest.wrote(1.5, 0.8)
        if number % 1000 == 999:
            self.ingest.held("the store is away")
        said = {"ingest": self.ingest.report().counters | self.gaps.counters(), "upkeep": self.upkeep.counters()}
        for name, counters in said.items():
            yield PartStatus(name, "ok", "", 0.5, NOW_MS, counters)
        yield PartStatus("alerts", "degraded", "", 0.5, NOW_MS, {})

    def close(self) -> None:
        """Give the central state up."""
        self._engine.dispose()


def _letter(kind: RefusalKind) -> DeadLetter:
    return DeadLetter(NOW_MS, "ingest", kind, "refused", "market/v1", b"", 0, market=MARKET, device="parking-1")


def parts(times_unix_ms: Iterable[int]) -> Iterator[Sample]:
    """What upkeep writes about the central parts, beat by beat."""
    with TemporaryDirectory() as folder:
        central = CentralParts(Path(folder))
        for number, at_ms in enumerate(times_unix_ms):
            yield from samples_of(central.beat(number), at_ms)
        central.close()


def service_fields() -> set[str]:
    """Every field that the kind `services` has here."""
    with TemporaryDirectory() as folder:
        central = CentralParts(Path(folder))
        found = {name for sample in samples_of(central.beat(0), NOW_MS) for name in sample.fields}
        central.close()
    return found
