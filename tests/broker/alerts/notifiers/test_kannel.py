import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote_from_bytes, urlencode

import httpx
import pytest
from sqlalchemy import Engine

from broker.alerts.counters import Counters
from broker.alerts.inbound import Inbound
from broker.alerts.notifiers.kannel import Kannel, KannelSettings
from broker.alerts.plugins import build, settings_for
from broker.alerts.ports import (
    Accepted,
    AmbiguousSendError,
    BadReceiptError,
    BadReplyError,
    Call,
    Outgoing,
    ProviderUnavailableError,
    Receipt,
    RefusedMessageError,
    Reply,
)
from broker.stores.messages import Messages
from runtime.clock import ManualClock
from runtime.errors import SettingsError
from runtime.secret_files import write_secret
from tests.eventually import eventually
from tests.kannel_fixtures import KannelServer, SmscMessage

TEXT = "[화재] 중앙시장 B구역 cam-1 화염감지 14:32 100% 확인코드 K7Q2"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    write_secret(path, "x")
    return path


def notifier(secret: Path, url: str) -> Kannel:
    settings = KannelSettings(kind="kannel", url=url, username="u", password_file=secret, sender="021234")
    return Kannel(settings)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen()
        yield made


def address(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}/cgi-bin/sendsms"


@pytest.mark.server
def test_a_text_arrives_at_the_smsc_as_it_was_written(kannel: KannelServer) -> None:
    sender = build(settings_for(kannel.settings()))
    try:
        sender.send(Outgoing(1, "01011119999", TEXT))
    finally:
        sender.close()
    wanted = SmscMessage("0212345678", "01011119999", TEXT)
    eventually(lambda: wanted in kannel.at_smsc(), what="the SMSC has it")


@pytest.mark.server
@pytest.mark.parametrize("text", ["K7Q2", "k7q2 확인했습니다"])
def test_what_a_phone_answers_comes_back_as_a_reply(
    kannel: KannelServer, engine: Engine, clock: ManualClock, text: str
) -> None:
    sender = build(settings_for(kannel.settings()))
    taken: list[Reply] = []
    with Inbound([sender], Messages(engine, clock), Counters(), lambda _kind, reply: taken.append(reply)):
        kannel.comes_in("01011119999", text)
        eventually(lambda: taken, what="the reply")
        wanted = SmscMessage("0212345678", "01011119999", f"again {text}")
        sender.send(Outgoing(1, "01011119999", wanted.text))
        eventually(lambda: wanted in kannel.at_smsc(), what="texts go out as before")
    sender.close()
    assert [(one.sender, one.text) for one in taken] == [("01011119999", text)]
    assert taken[0].reference


@pytest.mark.server
@pytest.mark.parametrize(
    ("changes", "recipient", "error", "said"),
    [
        ({"username": "somebody"}, "01011119999", ProviderUnavailableError, "403: Authorization failed"),
        ({}, "", RefusedMessageError, "400: Empty receiver"),
    ],
)
def test_a_refusal_says_whether_to_try_again(
    kannel: KannelServer, changes: Mapping[str, object], recipient: str, error: type[Exception], said: str
) -> None:
    sender = build(settings_for({**kannel.settings(), **changes}))
    try:
        with pytest.raises(error, match=said):
            sender.send(Outgoing(1, recipient, "x"))
    finally:
        sender.close()


def test_nobody_there_is_unavailable(secret: Path, free_port: int) -> None:
    sender = notifier(secret, f"http://127.0.0.1:{free_port}/")
    with pytest.raises(ProviderUnavailableError, match="cannot be reached"):
        sender.send(Outgoing(1, "010", "x"))
    sender.close()


def test_no_answer_is_ambiguous(secret: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broker.alerts.notifiers.kannel.READ_TIMEOUT_S", 0.05)
    sender = notifier(secret, address(listener))
    with pytest.raises(AmbiguousSendError, match="did not answer: ReadTimeout"):
        sender.send(Outgoing(1, "010", "x"))
    sender.close()


def test_an_error_never_shows_the_password(secret: Path, free_port: int) -> None:
    write_secret(secret, "very-secret-word")
    sender = notifier(secret, f"http://127.0.0.1:{free_port}/")
    with pytest.raises(ProviderUnavailableError) as caught:
        sender.send(Outgoing(1, "010", "x"))
    assert "very-secret-word" not in repr(caught.value)
    sender.close()


def test_a_receipt_is_believed_only_with_its_key(secret: Path) -> None:
    sender = notifier(secret, "http://127.0.0.1:1/")
    back = httpx.URL(sender._parameters(Outgoing(5, "010", "x"), sender._key(5))["dlr-url"])
    query = {**dict(back.params), "type": "1"}
    assert sender.receipt(Call(urlencode(query))) == Receipt(5, "delivered", "Kannel delivery report 1")
    assert Accepted(query["key"]) == Accepted(sender._key(5))
    for bad in (
        {"key": "0" * 24},
        {"message": "6"},
        {"message": "x"},
        {"message": "9" * 30},
        {"type": "3"},
        {"key": "ключ"},
    ):
        with pytest.raises(BadReceiptError):
            sender.receipt(Call(urlencode({**query, **bad})))
    sender.close()


def test_a_password_file_that_others_can_read_is_refused(secret: Path) -> None:
    secret.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        notifier(secret, "http://127.0.0.1:1/")


REPLIES_KEY = "replies-key-of-a-test"
PERSON = "01011110001"


def replying(secret: Path) -> Kannel:
    key = secret.with_name("replies-key")
    write_secret(key, REPLIES_KEY)
    url = "http://127.0.0.1:1/"
    block = {"kind": "kannel", "url": url, "username": "u", "password_file": secret, "sender": "021234"}
    return Kannel(KannelSettings.model_validate({**block, "replies_key_file": key}))


@pytest.mark.parametrize(
    ("text", "charset", "wanted"),
    [
        (b"K7Q2", "", "K7Q2"),
        (b"K7Q2", "ISO-8859-1", "K7Q2"),
        ("K7Q2 확인".encode(), "UTF-8", "K7Q2 확인"),
        ("K7Q2 확인".encode("utf-16-be"), "UTF-16BE", "K7Q2 확인"),
        (b"\xff\xfeK", "UTF-8", "\ufffd\ufffdK"),
        (b"x" * 600, "UTF-8", "x" * 500),
    ],
)
def test_a_reply_is_read_in_the_charset_it_came_in(secret: Path, text: bytes, charset: str, wanted: str) -> None:
    sender = replying(secret)
    query = urlencode({"key": REPLIES_KEY, "from": PERSON, "charset": charset, "id": "m-1"})
    assert sender.reply(Call(f"{query}&text={quote_from_bytes(text)}")) == Reply("m-1", PERSON, wanted)
    sender.close()


def test_a_reply_is_believed_only_with_its_key(secret: Path) -> None:
    sender = replying(secret)
    good = {"key": REPLIES_KEY, "from": PERSON, "charset": "UTF-8", "id": "m-1", "text": "K7Q2"}
    sender.reply(Call(urlencode(good)))
    for bad in ({"key": "x"}, {"key": "ключ"}, {"from": ""}, {"id": ""}, {"charset": "klingon"}):
        with pytest.raises(BadReplyError):
            sender.reply(Call(urlencode({**good, **bad})))
    sender.close()


def test_without_a_key_of_its_own_nobody_can_answer(secret: Path) -> None:
    sender = notifier(secret, "http://127.0.0.1:1/")
    with pytest.raises(BadReplyError, match="need replies_key_file"):
        sender.reply(Call(urlencode({"key": "", "from": PERSON, "id": "m-1", "text": "K7Q2"})))
    sender.close()
