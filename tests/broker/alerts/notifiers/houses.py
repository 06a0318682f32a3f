"""Every notifier with somebody to speak to, made alike for the conformance suite."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from broker.alerts.plugins import build, settings_for
from broker.alerts.ports import Notifier
from runtime.gammu_folders import FOLDERS
from runtime.secret_files import write_secret
from tests.broker.alerts.notifiers import solapi_stub, twilio_stub, webhook_stub
from tests.broker.alerts.notifiers.loopback import Answer, Request

PASSWORD = "kannel-word-of-a-test"
HTTP_KINDS = ("apprise", "kannel", "solapi", "twilio", "webhook")
SECRETS = (PASSWORD, solapi_stub.SECRET, twilio_stub.TOKEN, webhook_stub.SECRET, "apprise-word")


def answering(kind: str) -> Callable[[Request], Answer]:
    """A provider of this kind that takes everything that is signed as it wants it."""
    kinds: dict[str, Callable[[Request], Answer]] = {
        "solapi": solapi_stub.SolapiStub(),
        "twilio": twilio_stub.TwilioStub(),
        "webhook": webhook_stub.WebhookStub(),
        "kannel": lambda _request: Answer(202, b"0: Accepted for delivery", "text/html"),
    }
    return kinds.get(kind, lambda _request: Answer())


@dataclass(frozen=True, slots=True)
class House:
    """Where a notifier's secrets lie in a test."""

    folder: Path

    def notifier(self, kind: str, url: str, **changes: object) -> Notifier:
        """The notifier of this kind that speaks to `url`."""
        return build(settings_for({"kind": kind, **getattr(self, f"_{kind}")(url), **changes}))

    def secret(self, name: str, value: str) -> str:
        write_secret(self.folder / name, value)
        return str(self.folder / name)

    def _spool(self, _url: str) -> dict[str, object]:
        return {}

    def _kannel(self, url: str) -> dict[str, object]:
        return {
            "url": f"{url}/cgi-bin/sendsms",
            "username": "jangteo",
            "password_file": self.secret("kannel", PASSWORD),
            "sender": "0212345678",
        }

    def _solapi(self, url: str) -> dict[str, object]:
        return {
            "api_key": solapi_stub.KEY,
            "api_secret_file": self.secret("solapi", solapi_stub.SECRET),
            "sender": solapi_stub.SENDER,
            "base_url": url,
        }

    def _twilio(self, url: str) -> dict[str, object]:
        return {
            "account_sid": twilio_stub.ACCOUNT,
            "auth_token_file": self.secret("twilio", twilio_stub.TOKEN),
            "sender": twilio_stub.SENDER,
            "public_url": twilio_stub.PUBLIC_URL,
            "base_url": url,
        }

    def _webhook(self, url: str) -> dict[str, object]:
        return {"url": f"{url}/hook", "secret_file": self.secret("webhook", webhook_stub.SECRET)}

    def _apprise(self, url: str) -> dict[str, object]:
        address = url.replace("http://", "json://market:apprise-word@")
        return {"urls_file": self.secret("apprise", f"# where to\noffice {address}/office\n")}

    def _gammu(self, _url: str) -> dict[str, object]:
        folder = self.folder / "gammu"
        for name in FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
        pid_file = self.folder / "gammu.pid"
        pid_file.write_text(str(os.getpid()), encoding="ascii")
        return {"folder": str(folder), "pid_file": str(pid_file)}
