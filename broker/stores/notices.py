"""Notices: what a market's screens shall say, and the pictures that go with them."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, and_, delete, func, or_, select, update
from sqlalchemy.engine import Row

from broker.stores.database import transaction, upsert
from broker.stores.schema import assets, notices
from runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class Asset:
    """A file by its hash."""

    sha256: str
    media_type: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A notice as it is handed in. Without `until_unix_ms` it stays until it is withdrawn."""

    title: str
    text: str
    picture_sha256: str | None
    from_unix_ms: int
    until_unix_ms: int | None
    created_by: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice. `picture` is the file that it shows."""

    notice_id: int
    market: str
    title: str
    text: str
    picture: Asset | None
    from_unix_ms: int
    until_unix_ms: int | None
    created_unix_ms: int
    created_by: str
    withdrawn_unix_ms: int | None

    def phase(self, now_unix_ms: int) -> str:
        """waiting, showing, over or withdrawn."""
        if self.withdrawn_unix_ms is not None:
            return "withdrawn"
        if self.until_unix_ms is not None and now_unix_ms >= self.until_unix_ms:
            return "over"
        return "waiting" if now_unix_ms < self.from_unix_ms else "showing"


class Notices:
    """Reads and writes notices and assets."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def keep_asset(self, asset: Asset) -> None:
        """Note a file that is now on disk."""
        row = {
            "sha256": asset.sha256,
            "media_type": asset.media_type,
            "size_bytes": asset.size_bytes,
            "created_unix_ms": self._clock.unix_ms(),
        }
        with transaction(self._engine) as connection:
            upsert(connection, assets, [row])

    def asset(self, sha256: str) -> Asset | None:
        """A file's description."""
        with self._engine.connect() as connection:
            row = connection.execute(select(assets).where(assets.c.sha256 == sha256)).first()
        return None if row is None else Asset(row.sha256, row.media_type, row.size_bytes)

    def add(self, market: str, draft: Draft) -> Notice:
        """Store a notice."""
        row = {
            "market": market,
            "title": draft.title,
            "text": draft.text,
            "picture_sha256": draft.picture_sha256,
            "from_unix_ms": draft.from_unix_ms,
            "until_unix_ms": draft.until_unix_ms,
            "created_unix_ms": self._clock.unix_ms(),
            "created_by": draft.created_by,
        }
        with transaction(self._engine) as connection:
            notice_id = connection.execute(notices.insert().values(**row).returning(notices.c.notice_id)).scalar_one()
        found = self.get(int(notice_id))
        if found is None:
            raise LookupError(f"notice {notice_id} was stored and is gone")
        return found

    def get(self, notice_id: int) -> Notice | None:
        """One notice."""
        found = self._select(notices.c.notice_id == notice_id, 1)
        return found[0] if found else None

    def newest(self, market: str, limit: int = 50) -> tuple[Notice, ...]:
        """The market's newest notices, newest first, withdrawn and past ones too."""
        return self._select(notices.c.market == market, limit)

    def current(self, market: str) -> tuple[Notice, ...]:
        """What is or will be on the market's screens: neither withdrawn nor over, newest first."""
        return self._select(and_(notices.c.market == market, self._is_current()), None)

    def pictures_in_use(self) -> frozenset[str]:
        """The hashes that current notices of any market show."""
        query = select(notices.c.picture_sha256).where(notices.c.picture_sha256.is_not(None), self._is_current())
        with self._engine.connect() as connection:
            return frozenset(row.picture_sha256 for row in connection.execute(query))

    def count_current(self, market: str) -> int:
        """How many are or will be on the market's screens."""
        query = select(func.count()).select_from(notices).where(notices.c.market == market, self._is_current())
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def withdraw(self, notice_id: int) -> None:
        """Take a notice off; a second time changes nothing."""
        mine = (notices.c.notice_id == notice_id, notices.c.withdrawn_unix_ms.is_(None))
        with transaction(self._engine) as connection:
            connection.execute(update(notices).where(*mine).values(withdrawn_unix_ms=self._clock.unix_ms()))

    def remove(self, notice_id: int) -> None:
        """Forget a notice that never reached a screen."""
        with transaction(self._engine) as connection:
            connection.execute(delete(notices).where(notices.c.notice_id == notice_id))

    def _is_current(self) -> ColumnElement[bool]:
        not_over = or_(notices.c.until_unix_ms.is_(None), notices.c.until_unix_ms > self._clock.unix_ms())
        return and_(notices.c.withdrawn_unix_ms.is_(None), not_over)

    def _select(self, condition: ColumnElement[bool], limit: int | None) -> tuple[Notice, ...]:
        joined = notices.outerjoin(assets, assets.c.sha256 == notices.c.picture_sha256)
        query = (
            select(notices, assets.c.media_type, assets.c.size_bytes)
            .select_from(joined)
            .where(condition)
            .order_by(notices.c.notice_id.desc())
            .limit(limit)
        )
        with self._engine.connect() as connection:
            return tuple(_notice(row) for row in connection.execute(query))


def _notice(row: Row[tuple[object, ...]]) -> Notice:
    values = row._mapping  # noqa: SLF001 — SQLAlchemy's public accessor despite the underscore
    sha256 = values["picture_sha256"]
    picture = None if sha256 is None else Asset(sha256, values["media_type"], values["size_bytes"])
    return Notice(
        values["notice_id"],
        values["market"],
        values["title"],
        values["text"],
        picture,
        values["from_unix_ms"],
        values["until_unix_ms"],
        values["created_unix_ms"],
        values["created_by"],
        values["withdrawn_unix_ms"],
    )
