"""What every notifier promises, on every one of them and on the fake."""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from broker.alerts.memory_notifier import MemoryNotifier
from broker.alerts.plugins import build, discover, settings_for
from broker.alerts.ports import (
    AmbiguousSendError,
    Balance,
    Balanced,
    Notifier,
    Outgoing,
    ProviderUnavailableError,
    Receipting,
    Replying,
)
from runtime.errors import RetryableError
from tests.broker.alerts.notifiers.houses import HTTP_KINDS, SECRETS, House, answering
from tests.broker.alerts.notifiers.loopback import DROP, HANG, Answer, Loopback, loopback
from tests.kannel_fixtures import KannelServer

# Apprise looks whether it has to stand in for a module that Python 3.13 lost, by importing it.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

KINDS = (*HTTP_KINDS, "gammu", "memory", "spool")
PHONE, TEXT = "01012345678", "[화재] 중앙시장 확인코드 K7Q2"
IMPATIENT = {  # the constants that bound a wait, made small enough to wait for
    "apprise": ("READ_TIMEOUT_S", "SEND_S"),
    "kannel": ("READ_TIMEOUT_S",),
    "solapi": ("CALL_S",),
    "twilio": ("READ_TIMEOUT_S",),
    "webhook": ("READ_TIMEOUT_S",),
}
PATIENCE_S = 0.5


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture(params=[*KINDS, pytest.param("real kannel", marks=pytest.mark.server)])
def notifier(request: pytest.FixtureRequest, house: House) -> Iterator[Notifier]:
    if request.param == "memory":
        yield MemoryNotifier()
    elif request.param == "real kannel":
        server = request.getfixturevalue("kannel")
        assert isinstance(server, KannelServer)
        made = build(settings_for(server.settings()))
        yield made
        made.close()
    else:
        with loopback(answering(request.param)) as stub:
            made = house.notifier(request.param, stub.url)
            yield made
            made.close()


@pytest.fixture(params=HTTP_KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def provider(kind: str) -> Iterator[Loopback]:
    with loopback(answering(kind)) as stub:
        yield stub


def a_message(notifier: Notifier, number: int = 1) -> Outgoing:
    (channel, *_) = sorted(notifier.channels, key=lambda name: name != "sms")
    return Outgoing(number, PHONE if channel == "sms" else channel, TEXT, channel)


def test_every_notifier_is_under_test() -> None:
    assert set(discover()) <= set(KINDS)


def test_it_is_called_by_its_kind(notifier: Notifier) -> None:
    assert notifier.name in KINDS


def test_it_names_its_channels(notifier: Notifier) -> None:
    assert notifier.channels
    assert notifier.channels <= {"sms", "webhook", "apprise"}
    assert isinstance(notifier.carries_unicode, bool)


def test_a_text_is_accepted_with_a_reference(notifier: Notifier) -> None:
    accepted = notifier.send(a_message(notifier))
    assert 0 < len(accepted.reference) <= 120


def test_the_same_message_may_be_sent_again(notifier: Notifier) -> None:
    for _ in range(2):
        notifier.send(a_message(notifier))


def test_several_threads_may_send_at_once(notifier: Notifier) -> None:
    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(lambda number: notifier.send(a_message(notifier, number)), range(24)))
    assert len(sent) == 24


def test_closing_twice_does_no_harm(notifier: Notifier) -> None:
    notifier.close()
    notifier.close()


def test_one_that_is_called_back_names_its_port(notifier: Notifier) -> None:
    if isinstance(notifier, (Receipting, Replying)):
        assert 1024 <= notifier.receipts_port <= 65_535


def test_one_that_is_paid_in_advance_says_what_is_left(notifier: Notifier) -> None:
    if isinstance(notifier, Balanced):
        assert isinstance(notifier.balance(), Balance)


def test_nobody_there_is_said_at_once(kind: str, house: House, free_port: int) -> None:
    sender = house.notifier(kind, f"http://127.0.0.1:{free_port}")
    # Apprise says only no: whether somebody was there it does not say.
    wanted = AmbiguousSendError if kind == "apprise" else ProviderUnavailableError
    with pytest.raises(wanted):
        sender.send(a_message(sender))
    sender.close()


@pytest.mark.parametrize("behaviour", [HANG, DROP])
def test_no_answer_means_perhaps(
    kind: str, house: House, provider: Loopback, behaviour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as hasty:
        for name in IMPATIENT[kind]:
            hasty.setattr(f"broker.alerts.notifiers.{kind}.{name}", PATIENCE_S)
        sender = house.notifier(kind, provider.url)
        provider.next.append(behaviour)
        begun_s = time.monotonic()
        with pytest.raises(AmbiguousSendError):
            sender.send(a_message(sender))
        assert time.monotonic() - begun_s < 4  # Solapi's SDK alone would take 5
        sender.close()
    provider.let_go.set()
    patient = house.notifier(kind, provider.url)
    assert patient.send(a_message(patient)).reference
    patient.close()


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_a_provider_in_trouble_is_tried_again(kind: str, house: House, provider: Loopback, status: int) -> None:
    sender = house.notifier(kind, provider.url)
    provider.next.append(Answer(status, b"<html>trouble</html>", "text/html"))
    with pytest.raises(RetryableError):
        sender.send(a_message(sender))
    assert sender.send(a_message(sender)).reference
    sender.close()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"sid": null}', b"\xff\xfe", b"null"])
def test_nonsense_from_a_provider_is_an_error_of_ours(kind: str, house: House, provider: Loopback, body: bytes) -> None:
    sender = house.notifier(kind, provider.url)
    for status in (200, 302, 400):
        provider.next.append(Answer(status, body))
        try:
            sender.send(a_message(sender))
        except Exception as error:  # noqa: BLE001 — whatever it is, the house's words are asserted
            assert type(error).__module__ == "broker.alerts.ports"  # noqa: PT017 — three outcomes are right, none else
    sender.close()


def test_secrets_are_in_no_error_and_no_log(
    kind: str, house: House, provider: Loopback, free_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for name in ("httpx", "httpcore"):  # the service's logging does the same: httpx logs whole addresses
        caplog.set_level(logging.WARNING, logger=name)
    said = []
    for url in (provider.url, f"http://127.0.0.1:{free_port}"):
        sender = house.notifier(kind, url)
        provider.next.extend([Answer(401, b'{"code": 20003}'), Answer(500)])
        for _ in range(3):
            try:
                sender.send(a_message(sender))
            except RetryableError as error:
                said.append(repr(error))
        sender.close()
    shown = " ".join([*said, caplog.text])
    assert said
    assert not [secret for secret in SECRETS if secret in shown]


def test_every_kind_says_to_people_what_it_does() -> None:
    for plugin in discover().values():
        assert plugin.title_ko
        assert plugin.title_en
    assert "실제 발송 안 함" in discover()["spool"].title_ko
