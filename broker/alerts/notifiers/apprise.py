"""Apprise: e-mail, Slack, Telegram and 170 other services, for what is not urgent.

It knows no message numbers and no receipts and says only yes or no, so it is never the way of a fire's first word.
Addresses: Apprise's documentation, "Universal syntax".
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import wait
from pathlib import Path
from typing import Annotated, Any, Literal

import structlog
from pydantic import Field

from broker.alerts.deadline import Deadline
from broker.alerts.plugins import NotifierPlugin, NotifierSettings, library
from broker.alerts.ports import Accepted, AmbiguousSendError, Outgoing
from runtime.errors import SettingsError
from runtime.secret_files import read_secret

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_S = 2.0
READ_TIMEOUT_S = 4.0
SEND_S = 6.5
CALLS_MAX = 64
ADDRESSES_MAX = 32
REMEMBERED_MAX = 1000
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class AppriseSettings(NotifierSettings):
    """`urls_file` (mode 0600: the addresses hold passwords) has one `name address` a line; `#` begins a comment.

    A message whose recipient is one of the names goes there, every other one to all. `title` is the subject where a
    service has one.
    """

    kind: Literal["apprise"]
    urls_file: Path
    title: Annotated[str, Field(min_length=1, max_length=80)] = "장터 Jangteo"


class Apprise:
    """Sends to each address at once. Where some have a message and some have not, only those are tried again.

    Which have it is remembered for the last `REMEMBERED_MAX` unfinished messages; after a restart all get it again.

    Raises:
        runtime.errors.SettingsError: Apprise is not installed, or the file of addresses cannot be used.
    """

    channels = frozenset({"apprise"})
    carries_unicode = True

    def __init__(self, settings: AppriseSettings) -> None:
        self._title = settings.title
        self._services = _services(settings.urls_file)
        self._deadline = Deadline("apprise", CALLS_MAX)
        self._lock = threading.Lock()
        self._done: OrderedDict[int, frozenset[str]] = OrderedDict()

    @property
    def name(self) -> str:
        """`apprise`."""
        return "apprise"

    def send(self, message: Outgoing) -> Accepted:
        """Send to every address that the message is for and that does not have it yet.

        Raises:
            AmbiguousSendError: an address said no, or nothing in time; Apprise does not say which of both.
            ProviderUnavailableError: too many calls hang already.
        """
        wanted = frozenset({message.recipient} if message.recipient in self._services else self._services)
        with self._lock:
            done = self._done.pop(message.message_id, frozenset())
        begun = {name: self._deadline.begin(self._work(name, message.text)) for name in sorted(wanted - done)}
        wait(begun.values(), timeout=SEND_S)
        done |= {name for name, one in begun.items() if one.done() and one.exception() is None and one.result()}
        missing = sorted(wanted - done)
        if not missing:
            return Accepted(f"apprise-{message.message_id}")
        with self._lock:
            self._done[message.message_id] = done
            while len(self._done) > REMEMBERED_MAX:
                self._done.popitem(last=False)
        raise AmbiguousSendError(f"Apprise: {len(done)} of {len(wanted)} have it, not {', '.join(missing)}")

    def close(self) -> None:
        """Nothing is held open: Apprise connects for each call."""

    def _work(self, name: str, text: str) -> Any:  # noqa: ANN401 — a bound call without arguments; Apprise's own types are loose
        service = self._services[name]
        return lambda: bool(service.notify(body=text, title=self._title))


def _services(path: Path) -> Mapping[str, Any]:
    """Apprise's services by our names; Any: what each is, is its plugin's affair.

    Raises:
        SettingsError: a line is not `name address`, a name is there twice, or Apprise does not know the address.
    """
    apprise = library("apprise", "apprise")
    asset = apprise.AppriseAsset(app_id="Jangteo", app_desc="Jangteo", app_url="", secure_logging=True)
    found: dict[str, Any] = {}
    for number, line in enumerate(read_secret(path).splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, address = line.strip().partition(" ")
        where = f"{path}:{number}"
        if not NAME.fullmatch(name) or not address.strip():
            raise SettingsError(f"{where}: expected a name of a-z, 0-9 and '-', a space, and an address of Apprise")
        if name in found:
            raise SettingsError(f"{where}: the name {name} is here twice")
        service = apprise.Apprise.instantiate(address.strip(), asset=asset)
        if service is None:
            raise SettingsError(f"{where}: Apprise does not know the address of {name}: see its documentation")
        service.socket_connect_timeout = CONNECT_TIMEOUT_S
        service.socket_read_timeout = READ_TIMEOUT_S
        service.request_rate_per_sec = 0  # it would sleep within send(); what is too fast is refused and tried again
        found[name] = service
    if not 0 < len(found) <= ADDRESSES_MAX:
        raise SettingsError(f"{path}: expected 1 to {ADDRESSES_MAX} addresses, found {len(found)}")
    return found


PLUGIN = NotifierPlugin(
    kind="apprise",
    settings=AppriseSettings,
    build=Apprise,
    title_ko="Apprise: 전자우편·Slack·Telegram 등",
    title_en="Apprise: e-mail, Slack, Telegram and others",
)
