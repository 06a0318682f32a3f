"""The settings file: what it takes, and the sentence for each mistake."""

from pathlib import Path

import pytest

from broker.ingest.settings import IngestSettings
from broker.series.embedded import EmbeddedSeriesStore
from broker.series.influx import InfluxSeriesStore
from broker.series.settings import EmbeddedStoreSettings, InfluxStoreSettings, open_series_store
from runtime.errors import SettingsError
from runtime.secret_files import write_secret
from runtime.settings_file import load_settings

GOOD = """
broker: {host: 127.0.0.1, port: 1883, username: ingest, password_file: /run/secret}
database_url: sqlite:///central.db
series: {kind: embedded, path: readings.db}
"""


def load(tmp_path: Path, text: str) -> IngestSettings:
    path = tmp_path / "ingest.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, IngestSettings)


def test_a_good_file(tmp_path: Path) -> None:
    settings = load(tmp_path, GOOD)
    assert (settings.client_id, settings.part) == ("ingest-main", "ingest")
    broker = settings.broker_settings()
    assert (broker.client_id, broker.username, broker.password_file) == ("ingest-main", "ingest", Path("/run/secret"))


def test_a_worker_of_a_group_has_its_own_session_and_report(tmp_path: Path) -> None:
    settings = load(tmp_path, GOOD + "share_group: ingest\nworker: w2\n")
    assert (settings.client_id, settings.part) == ("ingest-w2", "ingest-w2")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("127.0.0.1", "broker.example"), "no ca_file is set: give ca_file for TLS"),
        (("port: 1883", "port: 99999"), "port"),
        (("embedded", "sqlite"), "embedded"),
        (("path: readings.db", "file: readings.db"), "did you mean|known keys"),
        (("database_url", "database"), "unknown key; did you mean 'database_url'"),
        (("series:", "share_group: g\nseries:"), "share_group needs worker"),
        (("username: ingest", "key_file: a.pem"), "certificate_file and key_file belong together"),
    ],
)
def test_a_mistake_is_one_clear_sentence(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        load(tmp_path, GOOD.replace(*change))


def test_a_store_is_opened_by_kind(tmp_path: Path) -> None:
    embedded = open_series_store(EmbeddedStoreSettings(kind="embedded", path=tmp_path / "readings.db"))
    assert isinstance(embedded, EmbeddedSeriesStore)
    write_secret(tmp_path / "token", "secret")
    settings = InfluxStoreSettings(kind="influx", url="http://127.0.0.1:8086", token_file=tmp_path / "token")
    influx = open_series_store(settings)
    assert isinstance(influx, InfluxSeriesStore)
    for store in (embedded, influx):
        store.close()


def test_a_missing_token_file_is_named(tmp_path: Path) -> None:
    settings = InfluxStoreSettings(kind="influx", url="http://127.0.0.1:8086", token_file=tmp_path / "none")
    with pytest.raises(SettingsError, match="none: the secret cannot be read"):
        open_series_store(settings)
