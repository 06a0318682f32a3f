"""Which series store a settings file names."""

import subprocess
import sys
from pathlib import Path

import pytest

from broker.series.embedded import EmbeddedSeriesStore
from broker.series.influx import InfluxSeriesStore
from broker.series.ports import Sample, Series
from broker.series.settings import EmbeddedStoreSettings, InfluxStoreSettings, open_series_store
from runtime.errors import SettingsError
from runtime.secret_files import write_secret
from tests.broker.series.told_influx import told_influx

URL = "http://127.0.0.1:8086"
SCRIPT = """
import sys
from pathlib import Path
import broker.ingest.service
from broker.series.settings import EmbeddedStoreSettings, open_series_store
open_series_store(EmbeddedStoreSettings(kind="embedded", path=Path(sys.argv[1]))).close()
assert not any(name.partition(".")[0] == "influxdb_client" for name in sys.modules)
"""


def test_the_store_that_is_named_is_opened(tmp_path: Path) -> None:
    embedded = open_series_store(EmbeddedStoreSettings(kind="embedded", path=tmp_path / "series.db"))
    assert isinstance(embedded, EmbeddedSeriesStore)
    embedded.close()
    token = tmp_path / "token"
    token.write_text("secret", encoding="utf-8")
    token.chmod(0o600)
    influx = open_series_store(InfluxStoreSettings(kind="influx", url=URL, token_file=token))
    assert isinstance(influx, InfluxSeriesStore)
    influx.close()


def test_the_tails_are_beside_the_token_unless_a_folder_is_named(tmp_path: Path) -> None:
    settings = InfluxStoreSettings(kind="influx", url=URL, token_file=tmp_path / "token")
    assert (settings.tail_folder, settings.tail_bytes_max) == (tmp_path / "influx-tail", 256_000_000)
    assert settings.model_copy(update={"tail_dir": tmp_path / "own"}).tail_folder == tmp_path / "own"


@pytest.mark.parametrize("bytes_max", [0, 1000])
def test_the_settings_of_the_tail_reach_the_store(free_port: int, tmp_path: Path, bytes_max: int) -> None:
    write_secret(tmp_path / "token", "secret")
    folder = tmp_path / "own"
    with told_influx(free_port) as told:
        settings = InfluxStoreSettings(
            kind="influx", url=told.url, token_file=tmp_path / "token", tail_dir=folder, tail_bytes_max=bytes_max
        )
        store = open_series_store(settings)
        assert not folder.exists()  # what only reads keeps nothing
        for number in range(50):
            store.write([Sample(Series("jungang", "pi-1", "bays", "bay-1"), number, {"x": number})])
        store.close()
    assert folder.exists() is (bytes_max > 0)
    assert sum(path.stat().st_size for path in folder.rglob("*.lp")) <= bytes_max


def test_a_token_that_is_not_there_is_said(tmp_path: Path) -> None:
    missing = InfluxStoreSettings(kind="influx", url=URL, token_file=tmp_path / "token")
    with pytest.raises(SettingsError, match="token"):
        open_series_store(missing)


def test_ingest_with_the_embedded_store_never_loads_the_client_of_the_other(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "series.db")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
