"""Signed documents: the newest of each device, numbered, so that it can be said again after a restart."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import Engine, Table, select

from broker.stores.database import transaction, upsert
from contract.access import DeviceIdentity
from contract.cameras import SignedZonePlan
from contract.roster import SignedRoster
from contract.signage import SignedManifest

S = TypeVar("S", SignedManifest, SignedZonePlan, SignedRoster)


@dataclass(frozen=True, slots=True)
class Issued(Generic[S]):
    """A device's newest document."""

    identity: DeviceIdentity
    generation: int
    issued_unix_ms: int
    signed: S


class SignedDocuments(Generic[S]):
    """Reads and writes one table of them; `column` has the signed document's JSON."""

    def __init__(self, engine: Engine, table: Table, column: str, model: type[S]) -> None:
        self._engine = engine
        self._table = table
        self._column = column
        self._model: type[S] = model

    def issue(
        self,
        identity: DeviceIdentity,
        sign: Callable[[int], S],
        *,
        issued_unix_ms: int,
        generation_min: int = 1,
    ) -> Issued[S]:
        """Number, sign and store a device's next document; the number grows even if two processes issue at once.

        `sign` gets the generation: one more than the stored one, and at least `generation_min` (what the device
        reported, so that a console whose database was lost does not issue numbers that devices refuse as old).
        """
        table = self._table
        here = (table.c.market == identity.market, table.c.device == identity.device)
        with transaction(self._engine) as connection:
            stored = connection.execute(select(table.c.generation).where(*here).with_for_update()).scalar()
            generation = max((stored or 0) + 1, generation_min)
            signed = sign(generation)
            row = {
                "market": identity.market,
                "device": identity.device,
                "generation": generation,
                "issued_unix_ms": issued_unix_ms,
                self._column: signed.model_dump_json(),
            }
            upsert(connection, table, [row])
        return Issued(identity, generation, issued_unix_ms, signed)

    def all(self, market: str | None = None) -> tuple[Issued[S], ...]:
        """Every device's newest document, or one market's."""
        table = self._table
        query = select(table).order_by(table.c.market, table.c.device)
        if market is not None:
            query = query.where(table.c.market == market)
        with self._engine.connect() as connection:
            return tuple(
                Issued(
                    DeviceIdentity(row.market, row.device),
                    row.generation,
                    row.issued_unix_ms,
                    self._model.model_validate_json(getattr(row, self._column)),
                )
                for row in connection.execute(query)
            )
