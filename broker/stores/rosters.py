"""A market's roster as the console edits it. From the first change on the console has the last word, not the file."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, Engine, delete, func, select, update
from sqlalchemy.sql import ColumnElement

from broker.stores.database import transaction
from broker.stores.registry import BY_CONSOLE, BY_FILE, Recipient, recipient_row, to_recipient
from broker.stores.schema import markets, recipients
from runtime.errors import FatalError

PEOPLE_MAX = 500


class DuplicatePhoneError(FatalError):
    """Somebody of the same market has this number; `name` says who."""

    def __init__(self, phone: str, name: str) -> None:
        super().__init__(f"{phone} is {name}'s number already: each number stands once in a market")
        self.phone = phone
        self.name = name


class RosterFullError(FatalError):
    """The market has `PEOPLE_MAX` people already."""


class UnknownPersonError(FatalError, LookupError):
    """Nobody of this market has this number in its table."""


@dataclass(frozen=True, slots=True)
class Person:
    """One line of a roster."""

    recipient_id: int
    recipient: Recipient


@dataclass(frozen=True, slots=True)
class RosterState:
    """A market's people, and whether the console has the last word about them."""

    people: tuple[Person, ...]
    by_console: bool


class RosterBook:
    """Reads and changes rosters."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, market: str) -> RosterState:
        """A market's roster, in the order in which people were added."""
        mine = select(recipients).where(recipients.c.market == market).order_by(recipients.c.recipient_id)
        by = select(markets.c.roster_by).where(markets.c.market == market)
        with self._engine.connect() as connection:
            people = tuple(Person(row.recipient_id, to_recipient(row)) for row in connection.execute(mine))
            return RosterState(people, connection.execute(by).scalar_one_or_none() == BY_CONSOLE)

    def add(self, market: str, one: Recipient) -> Person:
        """One more person.

        Raises:
            DuplicatePhoneError, RosterFullError: nothing was changed.
        """
        with transaction(self._engine) as connection:
            _take_over(connection, market)
            _refuse_double(connection, market, one.phone, None)
            held = connection.execute(select(func.count()).where(recipients.c.market == market)).scalar_one()
            if held >= PEOPLE_MAX:
                raise RosterFullError(f"{market} has {PEOPLE_MAX} people already: remove somebody first")
            made = connection.execute(recipients.insert().values(**recipient_row(market, one)))
            key = made.inserted_primary_key
            assert key is not None  # noqa: S101 — an insert of one row has one
            return Person(int(key[0]), one)

    def change(self, market: str, recipient_id: int, one: Recipient) -> Recipient:
        """Replace what stands about a person; returns what stood there.

        Raises:
            UnknownPersonError, DuplicatePhoneError: nothing was changed.
        """
        with transaction(self._engine) as connection:
            _take_over(connection, market)
            before = _held(connection, market, recipient_id)
            _refuse_double(connection, market, one.phone, recipient_id)
            connection.execute(update(recipients).where(*_here(market, recipient_id)).values(**asdict(one)))
        return before

    def remove(self, market: str, recipient_id: int) -> Recipient:
        """Take a person out; returns who it was.

        Raises:
            UnknownPersonError: nothing was changed.
        """
        with transaction(self._engine) as connection:
            _take_over(connection, market)
            before = _held(connection, market, recipient_id)
            connection.execute(delete(recipients).where(*_here(market, recipient_id)))
        return before

    def give_back(self, market: str) -> bool:
        """Let the next enrolment write the site file's people again; whether the console had the last word."""
        here = (markets.c.market == market, markets.c.roster_by == BY_CONSOLE)
        with transaction(self._engine) as connection:
            return connection.execute(update(markets).where(*here).values(roster_by=BY_FILE)).rowcount > 0


def _take_over(connection: Connection, market: str) -> None:
    """From now on it is the console's roster. First of all, since the market's row is what writers wait at."""
    connection.execute(update(markets).where(markets.c.market == market).values(roster_by=BY_CONSOLE))


def _here(market: str, recipient_id: int) -> tuple[ColumnElement[bool], ...]:
    return (recipients.c.market == market, recipients.c.recipient_id == recipient_id)


def _held(connection: Connection, market: str, recipient_id: int) -> Recipient:
    row = connection.execute(select(recipients).where(*_here(market, recipient_id))).one_or_none()
    if row is None:
        raise UnknownPersonError(f"{market} has no person {recipient_id}: the roster was changed meanwhile")
    return to_recipient(row)


def _refuse_double(connection: Connection, market: str, phone: str, own_id: int | None) -> None:
    query = select(recipients).where(recipients.c.market == market, recipients.c.phone == phone)
    row = connection.execute(query).one_or_none()
    if row is not None and row.recipient_id != own_id:
        raise DuplicatePhoneError(phone, row.name)
