"""Plugins: a new sensor is one new file; a broken one is named."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

NEW_SENSOR = '''
from typing import Literal
from contract.telemetry import GateReading
from edge.plugins import SensorPlugin, SensorSettings


class BarrierSettings(SensorSettings):
    """A barrier."""

    kind: Literal["barrier"]
    open_after_s: float = 2.0


def build(settings, context):
    return []


PLUGIN = SensorPlugin(kind="barrier", subject=GateReading.SUBJECT_FIELD, settings=BarrierSettings, build=build)
'''

PROGRAM = """
import sys
import edge.sensors
edge.sensors.__path__.append(sys.argv[1])
from pathlib import Path
from edge.settings import DeviceSettings
from runtime.settings_file import load_settings
print(load_settings(Path(sys.argv[2]), DeviceSettings).sensors)
"""


def _run(tmp_path: Path, plugin: str, sensor: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "barrier.py").write_text(plugin, encoding="utf-8")
    example = (ROOT / "config" / "device.example.yaml").read_text(encoding="utf-8")
    head, tail = example.split("sensors:", 1)[0], example[example.index("cameras:") :]
    file = tmp_path / "device.yaml"
    file.write_text(f"{head}sensors:\n  - {sensor}\n{tail}", encoding="utf-8")
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "plugins"), str(file)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=60)


def test_a_file_dropped_into_the_folder_is_a_sensor(tmp_path: Path) -> None:
    done = _run(tmp_path, NEW_SENSOR, "{kind: barrier, name: west, zone: a, open_after_s: 3}")

    assert "BarrierSettings(kind='barrier', name='west', zone='a', open_after_s=3.0)" in done.stdout, done.stderr


def test_its_settings_are_checked_like_all_others(tmp_path: Path) -> None:
    done = _run(tmp_path, NEW_SENSOR, "{kind: barrier, name: west, zone: a, open_after: 3}")

    assert "sensors[0].open_after: unknown key; did you mean 'open_after_s'?" in done.stderr


def test_a_plugin_that_does_not_import_is_named(tmp_path: Path) -> None:
    done = _run(tmp_path, "import nothing_like_this\n", "{kind: barrier, name: west, zone: a}")

    assert done.returncode != 0
    assert "sensor plugin edge.sensors.barrier cannot be imported" in done.stderr


def test_a_file_that_is_no_plugin_is_named(tmp_path: Path) -> None:
    done = _run(tmp_path, "KIND = 'barrier'\n", "{kind: barrier, name: west, zone: a}")

    assert "sensor plugin edge.sensors.barrier has no PLUGIN = SensorPlugin(...)" in done.stderr


def test_a_kind_that_two_plugins_claim_is_refused(tmp_path: Path) -> None:
    plugin = NEW_SENSOR.replace('"barrier"', '"gate-loop"')
    done = _run(tmp_path, plugin, "{kind: gate-loop, name: west, zone: a, lot: main, in_pin: 4, out_pin: 5}")

    assert "kind 'gate-loop' is taken by another plugin" in done.stderr


def test_a_plugin_whose_settings_do_not_say_its_kind_is_refused(tmp_path: Path) -> None:
    plugin = NEW_SENSOR.replace('kind="barrier"', 'kind="boom"')
    done = _run(tmp_path, plugin, "{kind: barrier, name: west, zone: a}")

    assert "its settings need kind: Literal['boom']" in done.stderr
