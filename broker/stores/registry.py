"""The registry: markets, zones, lots, devices and what each device observes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from secrets import token_hex

from sqlalchemy import Connection, Engine, Row, Table, delete, exists, select, update

from broker.stores.database import transaction, upsert
from broker.stores.policies import enrol_policies
from broker.stores.policy_models import PolicyTable
from broker.stores.schema import devices, lots, markets, recipients, subjects, zones
from contract.access import DeviceIdentity
from contract.cameras import ZonesReport
from contract.presence import Presence, SettingsReport, SignageReport
from runtime.clock import Clock, SystemClock

REVISION_BYTES = 8
BY_FILE, BY_CONSOLE = "file", "console"
"""Who has the last word about a market's recipients."""


@dataclass(frozen=True, slots=True)
class Named:
    """A market, zone or lot with its names for people."""

    id: str
    name_ko: str
    name_en: str


@dataclass(frozen=True, slots=True)
class Subject:
    """Something observed: `kind` is the telemetry name (bays, gates, people, cameras, screens, sirens)."""

    kind: str
    subject: str
    device: str
    zone: str | None = None
    lot: str | None = None


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets a market's messages. `phone` is as `phones.normalised` makes it.

    `role` is manager, deputy or merchant, `language` ko, en, zh or ja. Quiet hours are minutes since midnight, from the
    first to before the last, over midnight if the first is the later one; both `None`: none.
    """

    name: str
    phone: str
    role: str = "manager"
    language: str = "ko"
    quiet_from_minute: int | None = None
    quiet_to_minute: int | None = None


@dataclass(frozen=True, slots=True)
class MarketEntry:
    """A market as a site file describes it; `Registry.enrol` makes the registry equal to it.

    `private_stills`: what is kept of a fire's pictures a day after it is over is pixelated outside the fire.
    `policies`: who is told when; `None` leaves the default of all markets.
    """

    market: Named
    zones: tuple[Named, ...] = ()
    lots: tuple[Named, ...] = ()
    devices: tuple[str, ...] = ()
    subjects: tuple[Subject, ...] = ()
    recipients: tuple[Recipient, ...] = ()
    private_stills: bool = False
    policies: PolicyTable | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What an enrolment left as it was because it has been edited in the console since."""

    roster: bool = False
    policies: bool = False


@dataclass(frozen=True, slots=True)
class Rosters:
    """Who may speak in some markets, and about what: rows of (market, device) and (market, device, kind, subject)."""

    devices: Sequence[tuple[str, str]]
    subjects: Sequence[tuple[str, str, str, str]]


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """A device and what it last said of itself."""

    market: str
    device: str
    state: str
    state_unix_ms: int | None
    epoch: str | None
    agent_version: str | None
    player_urls: Mapping[str, str]
    signage: Mapping[str, object]
    zones: Mapping[str, object] = field(default_factory=dict)


class Registry:
    """Reads and writes the registry's tables."""

    def __init__(self, engine: Engine, clock: Clock | None = None) -> None:
        self._engine = engine
        self._clock = clock or SystemClock()

    @property
    def engine(self) -> Engine:
        """The central state."""
        return self._engine

    def enrol(self, entry: MarketEntry) -> Kept:
        """Make the registry say of this market what `entry` says; what it no longer names goes.

        Recipients and policies that were edited in the console stay as they are there; what stayed is returned. The
        market's revision changes: whoever keeps rosters in memory reads this market's again.
        """
        market = entry.market.id
        with transaction(self._engine) as connection:
            own = {"revision": token_hex(REVISION_BYTES), "private_stills": entry.private_stills}
            upsert(connection, markets, [{**_named("market", entry.market), **own}])
            _replace(connection, zones, market, [{"market": market, **_named("zone", one)} for one in entry.zones])
            _replace(connection, lots, market, [{"market": market, **_named("lot", one)} for one in entry.lots])
            _replace(connection, subjects, market, [_subject_row(market, one) for one in entry.subjects])
            by = connection.execute(select(markets.c.roster_by).where(markets.c.market == market)).scalar_one()
            if by == BY_FILE:
                _replace(connection, recipients, market, [recipient_row(market, one) for one in entry.recipients])
            policies_kept = not enrol_policies(connection, market, entry.policies, self._clock.unix_ms())
            gone = delete(devices).where(devices.c.market == market, devices.c.device.not_in(entry.devices))
            connection.execute(gone)
            present = {
                row.device for row in connection.execute(select(devices.c.device).where(devices.c.market == market))
            }
            fresh = [
                {"market": market, "device": name, "state": "unknown"} for name in entry.devices if name not in present
            ]
            if fresh:
                connection.execute(devices.insert(), fresh)
        return Kept(by != BY_FILE, policies_kept)

    def markets(self) -> tuple[Named, ...]:
        """All markets."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(markets).order_by(markets.c.market))
            return tuple(Named(row.market, row.name_ko, row.name_en) for row in rows)

    def zones(self, market: str) -> tuple[Named, ...]:
        """A market's zones."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(zones).where(zones.c.market == market).order_by(zones.c.zone))
            return tuple(Named(row.zone, row.name_ko, row.name_en) for row in rows)

    def lots(self, market: str) -> tuple[Named, ...]:
        """A market's parking lots."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(lots).where(lots.c.market == market).order_by(lots.c.lot))
            return tuple(Named(row.lot, row.name_ko, row.name_en) for row in rows)

    def subjects(self, market: str) -> tuple[Subject, ...]:
        """Everything that a market's devices observe, silent or not."""
        with self._engine.connect() as connection:
            order = (subjects.c.kind, subjects.c.subject)
            rows = connection.execute(select(subjects).where(subjects.c.market == market).order_by(*order))
            return tuple(Subject(row.kind, row.subject, row.device, row.zone, row.lot) for row in rows)

    def recipients(self, market: str) -> tuple[Recipient, ...]:
        """Who gets a market's messages, in the order of enrolment."""
        with self._engine.connect() as connection:
            order = recipients.c.recipient_id
            rows = connection.execute(select(recipients).where(recipients.c.market == market).order_by(order))
            return tuple(to_recipient(row) for row in rows)

    def markets_without_recipients(self) -> tuple[str, ...]:
        """The markets that nobody would be told about, by id."""
        told = exists().where(recipients.c.market == markets.c.market)
        with self._engine.connect() as connection:
            return tuple(connection.execute(select(markets.c.market).where(~told).order_by(markets.c.market)).scalars())

    def devices(self, market: str | None = None) -> tuple[DeviceRecord, ...]:
        """All devices, or one market's."""
        query = select(devices).order_by(devices.c.market, devices.c.device)
        if market is not None:
            query = query.where(devices.c.market == market)
        with self._engine.connect() as connection:
            return tuple(
                DeviceRecord(
                    row.market,
                    row.device,
                    row.state,
                    row.state_unix_ms,
                    row.epoch,
                    row.agent_version,
                    row.player_urls or {},
                    row.signage or {},
                    row.zones or {},
                )
                for row in connection.execute(query)
            )

    def identities(self) -> frozenset[DeviceIdentity]:
        """Every device that may speak, for access rules and for ingest."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(devices.c.market, devices.c.device))
            return frozenset(DeviceIdentity(row.market, row.device) for row in rows)

    def known_subjects(self) -> frozenset[tuple[str, str, str, str]]:
        """(market, device, kind, subject) of everything that may become a series."""
        columns = (subjects.c.market, subjects.c.device, subjects.c.kind, subjects.c.subject)
        with self._engine.connect() as connection:
            rows = connection.execute(select(*columns))
            return frozenset((row.market, row.device, row.kind, row.subject) for row in rows)

    def revisions(self) -> Mapping[str, str]:
        """Every market's revision: another one after every enrolment, so after every change of what is in it.

        Only whether it is the same says something. It is drawn by lot, so that a registry that was restored from a
        backup and changed since has no revision that it had before.
        """
        with self._engine.connect() as connection:
            rows = connection.execute(select(markets.c.market, markets.c.revision))
            return {row.market: row.revision for row in rows}

    def rosters(self, of: Collection[str]) -> Rosters:
        """The devices and subjects of the markets `of`. Asked after `revisions`, they are at least as new."""
        who = select(devices.c.market, devices.c.device).where(devices.c.market.in_(of))
        columns = (subjects.c.market, subjects.c.device, subjects.c.kind, subjects.c.subject)
        what = select(*columns).where(subjects.c.market.in_(of))
        with self._engine.connect() as connection:
            return Rosters(
                [(market, device) for market, device in connection.execute(who)],
                [(market, device, kind, subject) for market, device, kind, subject in connection.execute(what)],
            )

    def note_presence(self, identity: DeviceIdentity, presence: Presence) -> None:
        """Keep what a device said of its being there."""
        values = {
            "state": presence.state,
            "state_unix_ms": presence.time_unix_ms,
            "epoch": presence.epoch,
            "agent_version": presence.agent_version,
        }
        self._note(identity, values)

    def note_settings(self, identity: DeviceIdentity, report: SettingsReport) -> None:
        """Keep which settings a device runs."""
        self._note(identity, {"settings_sha256": report.settings_sha256, "player_urls": report.player_urls})

    def note_signage(self, identity: DeviceIdentity, report: SignageReport) -> None:
        """Keep which signage generation a device shows."""
        self._note(identity, {"signage": report.model_dump(mode="json")})

    def note_zones(self, identity: DeviceIdentity, report: ZonesReport) -> None:
        """Keep which zones a device's cameras use."""
        self._note(identity, {"zones": report.model_dump(mode="json")})

    def _note(self, identity: DeviceIdentity, values: Mapping[str, object]) -> None:
        here = (devices.c.market == identity.market, devices.c.device == identity.device)
        with transaction(self._engine) as connection:
            connection.execute(update(devices).where(*here).values(**values))


def _named(key: str, named: Named) -> dict[str, str]:
    return {key: named.id, "name_ko": named.name_ko, "name_en": named.name_en}


def _subject_row(market: str, one: Subject) -> dict[str, str | None]:
    return {
        "market": market,
        "kind": one.kind,
        "subject": one.subject,
        "device": one.device,
        "zone": one.zone,
        "lot": one.lot,
    }


def recipient_row(market: str, one: Recipient) -> dict[str, str | int | None]:
    """A recipient as a row of the table, without its number."""
    return {"market": market, **asdict(one)}


def to_recipient(row: Row[tuple[object, ...]]) -> Recipient:
    """A row of the recipients' table."""
    return Recipient(**{name: getattr(row, name) for name in Recipient.__slots__})


def _replace(connection: Connection, table: Table, market: str, rows: Sequence[Mapping[str, str | int | None]]) -> None:
    connection.execute(delete(table).where(table.c.market == market))
    if rows:
        connection.execute(table.insert(), [dict(row) for row in rows])
