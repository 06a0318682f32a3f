"""Devices that are online and whose readings do not arrive in the database: the canary's finding, for alerts."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Engine, delete, select
from sqlalchemy.exc import DBAPIError

from broker.stores.database import as_retryable, transaction, upsert
from broker.stores.schema import stalls
from contract.access import DeviceIdentity


@dataclass(frozen=True, slots=True)
class Stall:
    """A device, since when its stall is known, and its newest reading in the database, if one was found."""

    identity: DeviceIdentity
    since_unix_ms: int
    newest_unix_ms: int | None


class Stalls:
    """Reads and writes the stalls."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def replace(self, stalled: Mapping[DeviceIdentity, int | None], now_unix_ms: int) -> None:
        """Make the table say that these devices, with their newest readings, are stalled and no others.

        Raises:
            StoreUnavailableError: nothing was written; try again.
        """
        try:
            with transaction(self._engine) as connection:
                since = {
                    DeviceIdentity(row.market, row.device): row.since_unix_ms
                    for row in connection.execute(select(stalls))
                }
                for identity in since.keys() - stalled.keys():
                    here = (stalls.c.market == identity.market, stalls.c.device == identity.device)
                    connection.execute(delete(stalls).where(*here))
                rows = [
                    {
                        "market": identity.market,
                        "device": identity.device,
                        "since_unix_ms": since.get(identity, now_unix_ms),
                        "newest_unix_ms": newest,
                    }
                    for identity, newest in stalled.items()
                ]
                upsert(connection, stalls, rows)
        except DBAPIError as error:
            raise as_retryable(error) from error

    def all(self) -> tuple[Stall, ...]:
        """Every stalled device.

        Raises:
            StoreUnavailableError: try again later.
        """
        try:
            with self._engine.connect() as connection:
                rows = connection.execute(select(stalls).order_by(stalls.c.market, stalls.c.device)).all()
        except DBAPIError as error:
            raise as_retryable(error) from error
        return tuple(
            Stall(DeviceIdentity(row.market, row.device), row.since_unix_ms, row.newest_unix_ms) for row in rows
        )
