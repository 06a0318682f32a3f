"""A device's settings: the example loads, and every rule has a bad file that is named for its fault."""

from pathlib import Path

import pytest

from edge.settings import DeviceSettings
from runtime.errors import SettingsError
from runtime.settings_file import load_settings
from transport.settings import is_loopback

ROOT = Path(__file__).resolve().parents[2]
BAD = Path(__file__).parent / "bad_settings"


def test_the_example_is_good_and_uses_every_kind_of_part() -> None:
    settings = load_settings(ROOT / "config" / "device.example.yaml", DeviceSettings)

    assert [sensor.kind for sensor in settings.sensors] == ["ultrasonic-bay", "gate-loop", "people-beams"]
    assert settings.cameras
    assert settings.screens
    assert settings.sirens
    assert settings.identity.username == "jungang.parking-1"


def test_the_lines_that_the_example_has_commented_out_are_good_too(tmp_path: Path) -> None:
    text = (ROOT / "config" / "device.example.yaml").read_text(encoding="utf-8")
    head, tail = text.split("# safety:", 1)
    file = tmp_path / "device.yaml"
    file.write_text(head + "safety:" + tail.replace("\n# ", "\n"), encoding="utf-8")

    settings = load_settings(file, DeviceSettings)
    safety = settings.safety

    assert settings.modem is not None
    assert safety is not None
    assert [str(peer) for peer in safety.peers] == ["192.168.0.12:47801", "192.168.0.13:47801"]


@pytest.mark.parametrize("bad", sorted(BAD.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_bad_file_is_refused_with_its_sentence(bad: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(bad, DeviceSettings)

    assert str(caught.value) == f"{BAD}/{bad.with_suffix('.expected').read_text(encoding='utf-8').rstrip()}"


def test_every_bad_file_has_its_sentence_and_every_sentence_its_file() -> None:
    stems = [{path.stem for path in BAD.glob(f"*.{suffix}")} for suffix in ("yaml", "expected")]

    assert stems[0] == stems[1] != set()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("192.168.0.2", False), ("broker.example.org", False)],
)
def test_loopback_is_known(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_a_camera_index_may_be_written_as_a_number(tmp_path: Path) -> None:
    text = (ROOT / "config" / "device.example.yaml").read_text(encoding="utf-8")
    file = tmp_path / "device.yaml"
    file.write_text(text.replace('source: "0"', "source: 0"), encoding="utf-8")

    assert load_settings(file, DeviceSettings).cameras[0].source == "0"
