"""Making the central state know a market and its first manager."""

from pathlib import Path

from broker.stores.database import migrate, open_database
from broker.stores.registry import Registry
from broker.stores.users import Users, ensure_first_manager
from jangteo.site import SiteSettings
from runtime.clock import SystemClock


def enrol_site(site: SiteSettings, database_url: str, data: Path) -> str:
    """Migrate, enrol, make the first manager (password and API token under `data`); a fresh single-use sign-in token.

    Raises:
        broker.stores.database.StoreUnavailableError: the database cannot be reached.
    """
    engine = open_database(database_url)
    try:
        migrate(engine)
        Registry(engine).enrol(site.entry())
        ensure_first_manager(engine, data)
        return Users(engine, SystemClock()).new_sign_in_link()
    finally:
        engine.dispose()
