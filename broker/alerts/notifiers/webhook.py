"""A webhook of one's own: each message as signed JSON to one address, after the Standard Webhooks specification 1.0.0.

`webhook-signature` is `v1,` + base64 of HMAC-SHA256 over `<webhook-id>.<webhook-timestamp>.<body>`. A receiver refuses
a timestamp more than 5 minutes from its own clock, and takes an id that it has seen before as done.
"""

import base64
import binascii
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import httpx
from pydantic import AfterValidator, Field

from broker.alerts.plugins import NotifierPlugin, NotifierSettings
from broker.alerts.ports import (
    Accepted,
    AmbiguousSendError,
    Outgoing,
    ProviderUnavailableError,
    RefusedMessageError,
)
from runtime.errors import SettingsError
from runtime.secret_files import read_secret

CONNECT_TIMEOUT_S = 2.0
READ_TIMEOUT_S = 4.0
CONNECTIONS_MAX = 16
SECRET_PREFIX = "whsec_"  # noqa: S105 — the specification's mark of a secret, not one
SECRET_BYTES = range(24, 65)
EVENT_TYPE = "alert.message"
LOOPBACK = ("http://127.0.0.1", "http://localhost", "http://[::1]")
REFUSED_STATUS = frozenset({400, 410, 413, 415, 422})
AMBIGUOUS_STATUS = frozenset({500, 502, 504})


def _https(url: str) -> str:
    if url.startswith("https://") or any(url == one or url.startswith((f"{one}/", f"{one}:")) for one in LOOPBACK):
        return url
    raise ValueError("a webhook goes over https; http is for this machine alone")


class WebhookSettings(NotifierSettings):
    """Where to. `secret_file` holds `whsec_` and 24 to 64 random bytes in base64, which the receiver knows too."""

    kind: Literal["webhook"]
    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=500), AfterValidator(_https)]
    secret_file: Path


class Webhook:
    """Posts to one address over kept-alive connections; `now_s` is the time that is signed (Unix seconds).

    Raises:
        runtime.errors.SettingsError: the secret file cannot be used, or holds no secret of this form.
    """

    channels = frozenset({"webhook"})
    carries_unicode = True

    def __init__(self, settings: WebhookSettings, now_s: Callable[[], float] = time.time) -> None:
        self._url = settings.url
        self._key = _key(settings.secret_file)
        self._now_s = now_s
        self._client = httpx.Client(
            timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX),
            trust_env=False,
            verify=ssl.create_default_context(),
        )

    @property
    def name(self) -> str:
        """`webhook`."""
        return "webhook"

    def send(self, message: Outgoing) -> Accepted:
        """Post one message; any 2xx takes it.

        Raises:
            ProviderUnavailableError: not connected, or the receiver said that it did not take it.
            AmbiguousSendError: no answer in time, a broken one, or one that does not say.
            RefusedMessageError: the receiver refuses this message.
        """
        number = f"jangteo-{message.message_id}"
        try:
            body, headers = self._signed(number, message)
            answer = self._client.post(self._url, content=body, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise ProviderUnavailableError(f"the webhook cannot be reached: {type(error).__name__}") from error
        except httpx.HTTPError as error:
            raise AmbiguousSendError(f"the webhook did not answer: {type(error).__name__}") from error
        if answer.is_success:
            return Accepted(number)
        said = f"the webhook answered {answer.status_code}"
        if answer.status_code in REFUSED_STATUS:
            raise RefusedMessageError(said)
        raise AmbiguousSendError(said) if answer.status_code in AMBIGUOUS_STATUS else ProviderUnavailableError(said)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _signed(self, number: str, message: Outgoing) -> tuple[bytes, dict[str, str]]:
        now_s = int(self._now_s())
        said = {
            "type": EVENT_TYPE,
            "timestamp": datetime.fromtimestamp(now_s, UTC).isoformat().replace("+00:00", "Z"),
            "data": {"message_id": message.message_id, "recipient": message.recipient, "text": message.text},
        }
        body = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
        mac = hmac.new(self._key, f"{number}.{now_s}.".encode() + body, hashlib.sha256).digest()
        return body, {
            "Content-Type": "application/json",
            "Idempotency-Key": number,
            "webhook-id": number,
            "webhook-timestamp": str(now_s),
            "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
        }


def _key(path: Path) -> bytes:
    secret = read_secret(path)
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(SECRET_PREFIX) or len(key) not in SECRET_BYTES:
        raise SettingsError(f"{path}: expected {SECRET_PREFIX} and 24 to 64 random bytes in base64")
    return key


PLUGIN = NotifierPlugin(
    kind="webhook",
    settings=WebhookSettings,
    build=Webhook,
    title_ko="웹훅: 서명된 JSON",
    title_en="Webhook: signed JSON",
)
