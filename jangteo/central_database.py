"""The central state that a part's settings file names, for the commands that look into it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ConfigDict
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from broker.stores.database import open_database
from runtime.errors import FatalError
from runtime.settings_file import SettingsModel, load_settings


class _HasDatabase(SettingsModel):
    """Of a service's settings only the database matters here."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    database_url: str


@contextmanager
def central_database(config: Path) -> Iterator[Engine]:
    """The database of the settings file `config`, closed at the end.

    Raises:
        SettingsError: `config` names no database.
        FatalError: the database does not answer, or was never started with this version.
    """
    engine = open_database(load_settings(config, _HasDatabase).database_url)
    try:
        yield engine
    except DBAPIError as error:
        remedy = "it has to run, and ingest has to have been started once with this version"
        raise FatalError(f"the central state that {config} names did not answer: {error.orig}: {remedy}") from error
    finally:
        engine.dispose()
