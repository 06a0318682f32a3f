"""Signage: the newest signed manifest of each device, so that it can be said again after a restart."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine, select

from broker.stores.database import transaction
from broker.stores.registry import upsert
from broker.stores.schema import generations
from contract.access import DeviceIdentity
from contract.signage import SignedManifest


@dataclass(frozen=True, slots=True)
class Issued:
    """A device's newest manifest."""

    identity: DeviceIdentity
    generation: int
    issued_unix_ms: int
    signed: SignedManifest


class Signage:
    """Reads and writes generations."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def issue(
        self,
        identity: DeviceIdentity,
        sign: Callable[[int], SignedManifest],
        *,
        issued_unix_ms: int,
        generation_min: int = 1,
    ) -> Issued:
        """Number, sign and store a device's next manifest; the number grows even if two processes issue at once.

        `sign` gets the generation: one more than the stored one, and at least `generation_min` (what the device
        reported, so that a console whose database was lost does not issue numbers that devices refuse as old).
        """
        here = (generations.c.market == identity.market, generations.c.device == identity.device)
        with transaction(self._engine) as connection:
            stored = connection.execute(select(generations.c.generation).where(*here).with_for_update()).scalar()
            generation = max((stored or 0) + 1, generation_min)
            signed = sign(generation)
            row = {
                "market": identity.market,
                "device": identity.device,
                "generation": generation,
                "issued_unix_ms": issued_unix_ms,
                "signed_manifest": signed.model_dump_json(),
            }
            upsert(connection, generations, [row])
        return Issued(identity, generation, issued_unix_ms, signed)

    def all(self, market: str | None = None) -> tuple[Issued, ...]:
        """Every device's newest manifest, or one market's."""
        query = select(generations).order_by(generations.c.market, generations.c.device)
        if market is not None:
            query = query.where(generations.c.market == market)
        with self._engine.connect() as connection:
            return tuple(
                Issued(
                    DeviceIdentity(row.market, row.device),
                    row.generation,
                    row.issued_unix_ms,
                    SignedManifest.model_validate_json(row.signed_manifest),
                )
                for row in connection.execute(query)
            )
