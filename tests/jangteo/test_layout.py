import socket
import stat
from pathlib import Path

import pytest

from jangteo.up.layout import LOOPBACK, AlreadyRunningError, Layout, PortInUseError, Ports, is_free
from runtime.errors import SettingsError


def test_ports_stay_the_same_from_start_to_start(tmp_path: Path) -> None:
    first = Ports(tmp_path / "ports.json")
    names = [first.reserve(name) for name in ("broker", "player", "broker")]
    assert names[0] == names[2] != names[1]
    first.save()
    second = Ports(tmp_path / "ports.json")
    assert [second.reserve("broker"), second.reserve("player")] == names[:2]


def test_a_port_that_somebody_took_meanwhile_is_replaced(tmp_path: Path) -> None:
    first = Ports(tmp_path / "ports.json")
    port = first.reserve("broker")
    first.save()
    with socket.socket() as taken:
        taken.bind((LOOPBACK, port))
        taken.listen()
        assert not is_free(port)
        assert Ports(tmp_path / "ports.json").reserve("broker") != port


def test_an_asked_for_port_in_use_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        with pytest.raises(PortInUseError, match="choose another with --port"):
            Ports(tmp_path / "ports.json").exactly("console", taken.getsockname()[1])


def test_a_data_folder_is_private_and_has_one_owner_at_a_time(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "var")
    layout.prepare()
    assert stat.S_IMODE(layout.root.stat().st_mode) == 0o700
    with layout.lock(), pytest.raises(AlreadyRunningError, match="another jangteo up"):
        layout.lock()
    layout.lock().close()


def test_the_signing_key_is_made_once_and_private(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    public = layout.public_key_hex()
    assert layout.public_key_hex() == public
    assert stat.S_IMODE(layout.signing_key.stat().st_mode) == 0o600


def test_a_folder_that_holds_other_things_is_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "diary.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(SettingsError, match="holds other things"):
        Layout(tmp_path).prepare()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
