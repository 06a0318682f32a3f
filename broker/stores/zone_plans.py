"""Zone plans: the newest signed zones of each device's cameras."""

from sqlalchemy import Engine

from broker.stores.schema import zone_plans
from broker.stores.signed_documents import SignedDocuments
from contract.cameras import SignedZonePlan


class ZonePlans(SignedDocuments[SignedZonePlan]):
    """Reads and writes zone plans."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, zone_plans, "signed_plan", SignedZonePlan)
