import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.alerts.ports import AmbiguousSendError, Outgoing
from runtime.errors import SettingsError
from tests.broker.alerts.notifiers.houses import House
from tests.broker.alerts.notifiers.loopback import HANG, Answer, Loopback, Request, loopback

# Apprise looks whether it has to stand in for a module that Python 3.13 lost, by importing it.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

MESSAGE = Outgoing(41, "apprise", "[고장] 중앙시장 B구역 카메라 안 보임", "apprise")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def provider() -> Iterator[Loopback]:
    with loopback() as made:
        yield made


def addresses(house: House, provider: Loopback, *names: str) -> str:
    return house.secret("urls", "\n".join(f"{one} {provider.url.replace('http', 'json')}/{one}" for one in names))


def paths(provider: Loopback) -> list[str]:
    return sorted(one.path for one in provider.requests)


def test_every_address_gets_the_text(house: House, provider: Loopback) -> None:
    sender = house.notifier("apprise", "", urls_file=addresses(house, provider, "office", "night-watch"))
    sender.send(MESSAGE)
    assert paths(provider) == ["/night-watch", "/office"]
    said = json.loads(provider.requests[0].body)
    assert (said["title"], said["message"]) == ("장터 Jangteo", MESSAGE.text)


def test_a_recipient_that_is_a_name_gets_it_alone(house: House, provider: Loopback) -> None:
    sender = house.notifier("apprise", "", urls_file=addresses(house, provider, "office", "night-watch"))
    sender.send(Outgoing(1, "office", "x", "apprise"))
    assert paths(provider) == ["/office"]


def test_only_those_that_lack_it_are_tried_again(house: House) -> None:
    broken = {"/office"}

    def answer(request: Request) -> Answer:
        return Answer(500 if request.path in broken else 200)

    with loopback(answer) as provider:
        sender = house.notifier("apprise", "", urls_file=addresses(house, provider, "office", "night-watch"))
        with pytest.raises(AmbiguousSendError, match=r"1 of 2 have it, not office$"):
            sender.send(MESSAGE)
        broken.clear()
        sender.send(MESSAGE)
        assert paths(provider) == ["/night-watch", "/office", "/office"]
        sender.send(MESSAGE)  # once all have it, nothing is remembered: asked again, it is sent again
        assert len(paths(provider)) == 5


def test_one_that_hangs_does_not_keep_the_others_waiting(
    house: House, provider: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.alerts.notifiers.apprise.SEND_S", 2.0)
    sender = house.notifier("apprise", "", urls_file=addresses(house, provider, "a", "b", "c"))
    provider.next.append(HANG)
    with pytest.raises(AmbiguousSendError, match="2 of 3 have it"):
        sender.send(MESSAGE)
    provider.let_go.set()


def test_its_own_pauses_between_messages_are_off(house: House, provider: Loopback) -> None:
    address = f"{provider.url.replace('http', 'ntfy')}/market"  # Apprise would wait 5.5 s between two of these
    sender = house.notifier("apprise", "", urls_file=house.secret("urls", f"office {address}"))
    begun_s = time.monotonic()
    for number in range(3):
        sender.send(Outgoing(number, "apprise", "x", "apprise"))
    assert len(provider.requests) == 3
    assert time.monotonic() - begun_s < 5


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("# nothing", "expected 1 to 32 addresses, found 0"),
        ("json://127.0.0.1/", r"urls:1: expected a name"),
        ("\n\nOffice json://127.0.0.1/", "urls:1: expected a name"),
        ("a json://127.0.0.1/\na json://127.0.0.1/x", "urls:2: the name a is here twice"),
        ("a nonsense://secret-word@127.0.0.1/", "urls:1: Apprise does not know the address of a"),
        ("\n".join(f"a{number} json://127.0.0.1/" for number in range(33)), "found 33"),
    ],
)
def test_a_wrong_file_of_addresses_is_refused_by_line(house: House, lines: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        house.notifier("apprise", "", urls_file=house.secret("urls", lines))
    assert "secret-word" not in str(caught.value)


def test_a_file_that_others_can_read_is_refused(house: House) -> None:
    path = Path(house.secret("urls", "a json://127.0.0.1/"))
    path.chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        house.notifier("apprise", "", urls_file=str(path))
