"""Signage: the newest signed manifest of each device, so that it can be said again after a restart."""

from sqlalchemy import Engine

from broker.stores.schema import generations
from broker.stores.signed_documents import Issued, SignedDocuments
from contract.signage import SignedManifest

__all__ = ["Issued", "Signage"]


class Signage(SignedDocuments[SignedManifest]):
    """Reads and writes generations."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, generations, "signed_manifest", SignedManifest)
