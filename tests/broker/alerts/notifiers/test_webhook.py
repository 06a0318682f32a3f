import base64
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from broker.alerts.notifiers.webhook import Webhook, WebhookSettings
from broker.alerts.plugins import settings_for
from broker.alerts.ports import (
    AmbiguousSendError,
    Outgoing,
    ProviderUnavailableError,
    RefusedMessageError,
)
from runtime.errors import SettingsError
from tests.broker.alerts.notifiers.houses import House
from tests.broker.alerts.notifiers.loopback import DROP, Answer, Loopback, loopback
from tests.broker.alerts.notifiers.webhook_stub import SECRET, WINDOW_S, WebhookStub

MESSAGE = Outgoing(41, "webhook", "[화재] 중앙시장 확인코드 K7Q2", "webhook")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def stub() -> WebhookStub:
    return WebhookStub()


@pytest.fixture
def provider(stub: WebhookStub) -> Iterator[Loopback]:
    with loopback(stub) as made:
        yield made


def test_a_receiver_that_checks_takes_the_message(house: House, provider: Loopback, stub: WebhookStub) -> None:
    sender = house.notifier("webhook", provider.url)
    assert sender.send(MESSAGE).reference == "jangteo-41"
    sender.close()
    (said,) = stub.taken.values()
    assert said["type"] == "alert.message"
    assert said["data"] == {"message_id": 41, "recipient": "webhook", "text": MESSAGE.text}
    assert provider.requests[0].headers["idempotency-key"] == "jangteo-41"


def test_the_same_message_has_the_same_number_whatever_became_of_the_answer(
    house: House, provider: Loopback, stub: WebhookStub
) -> None:
    sender = house.notifier("webhook", provider.url)
    provider.next.append(DROP)
    with pytest.raises(AmbiguousSendError):
        sender.send(MESSAGE)
    sender.send(MESSAGE)
    sender.close()
    assert (len(stub.taken), stub.repeated) == (1, 1)


@pytest.mark.parametrize("changes", [{"secret": "whsec_" + base64.b64encode(b"x" * 32).decode()}, {"skew_s": 301}])
def test_a_wrong_secret_or_an_old_time_is_refused_by_the_receiver(
    house: House, provider: Loopback, stub: WebhookStub, changes: dict[str, object]
) -> None:
    secret = house.secret("webhook", str(changes.get("secret", SECRET)))
    settings = WebhookSettings.model_validate({"kind": "webhook", "url": provider.url, "secret_file": secret})
    skew_s = float(str(changes.get("skew_s", 0)))
    assert skew_s == 0 or skew_s > WINDOW_S
    sender = Webhook(settings, lambda: time.time() - skew_s)
    with pytest.raises(ProviderUnavailableError, match="answered 401"):
        sender.send(MESSAGE)
    sender.close()
    assert not stub.taken


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, RefusedMessageError),
        (410, RefusedMessageError),
        (413, RefusedMessageError),
        (422, RefusedMessageError),
        (301, ProviderUnavailableError),
        (401, ProviderUnavailableError),
        (404, ProviderUnavailableError),
        (429, ProviderUnavailableError),
        (503, ProviderUnavailableError),
        (500, AmbiguousSendError),
        (502, AmbiguousSendError),
        (504, AmbiguousSendError),
    ],
)
def test_what_an_answer_means(house: House, provider: Loopback, status: int, error: type[Exception]) -> None:
    sender = house.notifier("webhook", provider.url)
    provider.next.append(Answer(status))
    with pytest.raises(error, match=f"answered {status}"):
        sender.send(MESSAGE)
    sender.close()


@pytest.mark.parametrize(
    "secret", ["x", "whsec_", "whsec_!!!", SECRET[6:], "whsec_" + base64.b64encode(b"short").decode()]
)
def test_a_secret_of_another_form_is_refused(house: House, secret: str) -> None:
    with pytest.raises(SettingsError, match="expected whsec_ and 24 to 64 random bytes in base64"):
        house.notifier("webhook", "http://127.0.0.1:1", secret_file=house.secret("other", secret))


@pytest.mark.parametrize(
    "url", ["http://example.kr/x", "http://127.0.0.1.example.kr/", "http://localhostile/", "ftp://x/"]
)
def test_what_is_not_https_is_for_this_machine_alone(house: House, url: str) -> None:
    with pytest.raises(ValidationError):
        settings_for({"kind": "webhook", "url": url, "secret_file": house.secret("s", SECRET)})


def test_https_elsewhere_is_right(house: House) -> None:
    settings_for({"kind": "webhook", "url": "https://example.kr/hook", "secret_file": house.secret("s", SECRET)})
