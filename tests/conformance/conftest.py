"""Which brokers the suite runs against: Mosquitto and the trial broker of the fixtures, or the one of `--broker`."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.access import DeviceIdentity
from runtime.errors import SettingsError
from runtime.secret_files import read_secret
from tests.conformance.target import Target
from tests.mqtt_fixtures import DEVICES, running_mosquitto, running_trial

_NO_RULES = "no users and no access rules: anybody on this machine may say anything"
_NO_WINDOW = "it takes no notice of a consumer's Receive Maximum; our consumer bounds itself (TCP back-pressure)"
_NO_EXPIRY = "a session stays, whatever expiry it asked for; it ends with the broker"

KNOWN_FAILURES: dict[str, dict[str, str]] = {
    "mosquitto": {
        "test_the_window_that_a_consumer_asks_for_holds_after_acknowledgements": (
            "Mosquitto 2.0.11 sends more than the window once acknowledgements came; our consumer bounds itself"
        ),
    },
    "trial": {
        "test_what_comes_again_is_marked_as_duplicate": "it resends without the mark; we tell resends by (epoch, seq)",
        "test_a_session_that_was_not_to_stay_is_gone": _NO_EXPIRY,
        "test_a_session_expires_when_it_said_it_would": _NO_EXPIRY,
        "test_the_window_that_a_consumer_asks_for_holds_at_first": _NO_WINDOW,
        "test_the_window_that_a_consumer_asks_for_holds_after_acknowledgements": _NO_WINDOW,
        "test_a_wrong_password_is_refused_for_good": _NO_RULES,
        "test_a_device_is_not_heard_under_another_name": _NO_RULES,
        "test_a_device_does_not_hear_what_is_for_another": _NO_RULES,
        "test_sessions_queues_and_retained_messages_survive_a_restart": "it keeps everything in memory",
    },
}
"""Broker → test → why it fails there. Strict: what begins to pass must leave the list."""

OWN = ("mosquitto", "trial")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "target" not in metafunc.fixturenames:
        return
    external = metafunc.config.getoption("--broker")
    kinds = OWN if external is None else ("external",)
    name = metafunc.function.__name__
    metafunc.parametrize("target", [_param(kind, name) for kind in kinds], indirect=True, scope="module")


def _param(kind: str, name: str) -> object:
    reason = KNOWN_FAILURES.get(kind, {}).get(name)
    marks = () if reason is None else (pytest.mark.xfail(reason=reason, strict=True),)
    return pytest.param(kind, marks=marks)


@pytest.fixture(scope="module")
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    kind: str = request.param
    if kind == "external":
        yield _external(request.config)
        return
    start = running_mosquitto if kind == "mosquitto" else running_trial
    with start(tmp_path_factory.mktemp("conformance") / kind) as broker:
        yield Target(kind, "127.0.0.1", broker.port, DEVICES[0], DEVICES[1], running=broker)


def _external(config: pytest.Config) -> Target:
    host, port = config.getoption("--broker")
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError as error:
        pytest.exit(f"--broker {host}:{port} cannot be reached: {error}", returncode=2)
    device = DeviceIdentity(Target.new_market(), "edge-1")
    name, password = _name_and_password(config, "--broker-device")
    if name is not None:
        market, _, own = name.partition(".")
        device = DeviceIdentity(market, own)
    other = DeviceIdentity(device.market, "somebody-else")
    everyone = _name_and_password(config, "--broker-user")
    return Target("external", host, port, device, other, everyone, password)


def _name_and_password(config: pytest.Config, option: str) -> tuple[str | None, str | None]:
    """NAME or NAME:FILE. One word, because pytest takes a path that stands alone for a folder of tests."""
    given: str | None = config.getoption(option)
    if given is None:
        return None, None
    name, separator, file = given.partition(":")
    try:
        return name, read_secret(Path(file).expanduser()) if separator else None
    except SettingsError as error:
        pytest.exit(f"{option} {given}: {error}", returncode=2)
