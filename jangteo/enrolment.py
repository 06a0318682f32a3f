"""Making the central state know a market and its first manager."""

import sys
from pathlib import Path

from broker.stores.database import migrate, open_database
from broker.stores.registry import Kept, Registry
from broker.stores.users import Users, ensure_first_manager
from jangteo.site import SiteSettings
from runtime.clock import SystemClock


def enrol_site(site: SiteSettings, database_url: str, data: Path) -> str:
    """Migrate, enrol, make the first manager (password and API token under `data`); a fresh single-use sign-in token.

    What was edited in the console stays as it is there; that is said on the error output.

    Raises:
        broker.stores.database.StoreUnavailableError: the database cannot be reached.
    """
    engine = open_database(database_url)
    try:
        migrate(engine)
        kept = Registry(engine).enrol(site.entry())
        for sentence in sentences(site.market.id, kept):
            print(sentence, file=sys.stderr, flush=True)
        ensure_first_manager(engine, data)
        return Users(engine, SystemClock()).new_sign_in_link()
    finally:
        engine.dispose()


def sentences(market: str, kept: Kept) -> tuple[str, ...]:
    """What an enrolment left alone, in words."""
    parts = (
        (
            kept.roster,
            "명부(recipients)",
            "recipients",
            "a button of the roster page gives them back to the file",
        ),
        (kept.policies, "알림 정책(policies)", "policies", "a button of the policy page forgets them"),
    )
    return tuple(
        f"{market}: 콘솔에서 고친 {korean}은 그대로 둡니다. / {english} were edited in the console and stay: {remedy}"
        for is_kept, korean, english, remedy in parts
        if is_kept
    )
