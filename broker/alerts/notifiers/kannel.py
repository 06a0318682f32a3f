"""Kannel: an SMS gateway of one's own, spoken to over HTTP. 202 means accepted; delivery comes as a receipt.

Parameters and answers: Kannel User's Guide, chapters "SMSBox and sendsms-user" and "Delivery reports".
"""

import hashlib
import hmac
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qs

import httpx
from pydantic import Field

from broker.alerts.plugins import NotifierPlugin, NotifierSettings
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
from runtime.secret_files import read_secret

CONNECT_TIMEOUT_S = 2.0
READ_TIMEOUT_S = 4.0
CONNECTIONS_MAX = 16
CODING_UCS2 = "2"
DLR_ALL = "31"  # delivered, failed, buffered, accepted by the SMSC, refused by the SMSC
# Kannel's %d: what a receipt says. 4 (buffered) and 8 (at the SMSC) lie between acceptance and delivery.
RECEIPT_STATES = {"1": "delivered", "2": "failed", "4": "accepted", "8": "accepted", "16": "failed"}
RECEIPT_PATH = "/receipts/kannel"
CHARSETS = {"": "utf-8", "UTF-8": "utf-8", "ISO-8859-1": "latin-1", "UTF-16BE": "utf-16-be", "UCS-2": "utf-16-be"}
REFUSED_STATUS = frozenset({400, 413, 414, 422})
ANSWER_SHOWN_MAX = 120


class KannelSettings(NotifierSettings):
    """A Kannel smsbox. `url` is its sendsms address; `sender` the registered sender number.

    `receipts_port` is the loopback port on which Kannel's delivery receipts and people's replies are awaited. Replies
    are taken only with the key that `replies_key_file` holds; Kannel's sms-service calls
    `http://127.0.0.1:<receipts_port>/replies/kannel?key=<key>&from=%p&text=%b&charset=%C&id=%I`.
    """

    kind: Literal["kannel"]
    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=300)]
    username: Annotated[str, Field(min_length=1, max_length=80)]
    password_file: Path
    sender: Annotated[str, Field(pattern=r"^\+?[0-9]{3,15}$")]
    receipts_port: Annotated[int, Field(ge=1024, le=65535)] = 8631
    replies_key_file: Path | None = None


class Kannel:
    """Sends through one smsbox over kept-alive connections.

    Raises:
        runtime.errors.SettingsError: the password file or the file of the key cannot be used.
    """

    channels = frozenset({"sms"})
    carries_unicode = True

    def __init__(self, settings: KannelSettings) -> None:
        self._settings = settings
        self._password = read_secret(settings.password_file)
        self._replies_key = None if settings.replies_key_file is None else read_secret(settings.replies_key_file)
        self._client = httpx.Client(
            timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX),
            trust_env=False,
        )

    @property
    def name(self) -> str:
        """`kannel`."""
        return "kannel"

    @property
    def receipts_port(self) -> int:
        """The loopback port on which receipts are awaited."""
        return self._settings.receipts_port

    def send(self, message: Outgoing) -> Accepted:
        """Queue a text at Kannel.

        Raises:
            ProviderUnavailableError: not connected, or Kannel said that it did not take it.
            AmbiguousSendError: no answer in time, or a broken one.
            RefusedMessageError: Kannel refuses this number or text.
        """
        key = self._key(message.message_id)
        try:
            answer = self._client.get(self._settings.url, params=self._parameters(message, key))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise ProviderUnavailableError(f"Kannel cannot be reached: {type(error).__name__}") from error
        except httpx.HTTPError as error:
            raise AmbiguousSendError(f"Kannel did not answer: {type(error).__name__}") from error
        if answer.status_code == httpx.codes.ACCEPTED:
            return Accepted(key)
        said = f"Kannel answered {answer.status_code}: {' '.join(answer.text.split())[:ANSWER_SHOWN_MAX]}"
        if answer.status_code in REFUSED_STATUS:
            raise RefusedMessageError(said)
        raise ProviderUnavailableError(said)

    def receipt(self, call: Call) -> Receipt:
        """Read Kannel's call of the receipt address that `send` gave it.

        Raises:
            BadReceiptError: no such message of ours, or a type that Kannel does not have.
        """
        query = call.query
        number, kind = query.get("message", ""), query.get("type", "")
        if not (number.isascii() and number.isdigit() and len(number) < 19):  # noqa: PLR2004 — digits of a 64-bit number
            raise BadReceiptError("receipt without a message number")
        if not hmac.compare_digest(self._key(int(number)).encode(), query.get("key", "").encode()):
            raise BadReceiptError(f"receipt for message {number} with a wrong key")
        if kind not in RECEIPT_STATES:
            raise BadReceiptError(f"receipt for message {number} of unknown type {kind[:10]!r}")
        return Receipt(int(number), RECEIPT_STATES[kind], f"Kannel delivery report {kind}")

    def reply(self, call: Call) -> Reply:
        """Read the call of Kannel's sms-service for a text that came in.

        Raises:
            BadReplyError: the key is missing or wrong, or there is no sender or number.
        """
        query = call.query
        if self._replies_key is None:
            raise BadReplyError("replies need replies_key_file in the settings")
        if not hmac.compare_digest(self._replies_key.encode(), query.get("key", "").encode()):
            raise BadReplyError("reply with a wrong key")
        sender, number = query.get("from", ""), query.get("id", "")
        if not (sender and number):
            raise BadReplyError("reply without its sender or its number")
        # %b: bytes as the phone sent them, in the charset that %C names; reading them as Latin-1 keeps them whole
        raw = parse_qs(call.query_string, keep_blank_values=True, encoding="latin-1").get("text", [""])[-1]
        charset = CHARSETS.get(query.get("charset", "").upper())
        if charset is None:
            raise BadReplyError(f"reply in the unknown charset {query.get('charset', '')[:20]!r}")
        return Reply(number[:120], sender[:40], raw.encode("latin-1").decode(charset, "replace")[:500])

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _parameters(self, message: Outgoing, key: str) -> dict[str, str]:
        # %d is Kannel's own place-holder: httpx escapes the address once more as a whole, Kannel undoes exactly that.
        back = f"http://127.0.0.1:{self.receipts_port}{RECEIPT_PATH}?message={message.message_id}&key={key}&type=%d"
        return {
            "username": self._settings.username,
            "password": self._password,
            "from": self._settings.sender,
            "to": message.recipient,
            "text": message.text,
            "coding": CODING_UCS2,
            "charset": "UTF-8",
            "dlr-mask": DLR_ALL,
            "dlr-url": back,
        }

    def _key(self, message_id: int) -> str:
        """Proves that a receipt answers a sending of ours; needs no memory, so it holds across restarts."""
        return hmac.new(self._password.encode(), f"receipt {message_id}".encode(), hashlib.sha256).hexdigest()[:24]


PLUGIN = NotifierPlugin(
    kind="kannel",
    settings=KannelSettings,
    build=Kannel,
    title_ko="Kannel 문자 게이트웨이",
    title_en="Kannel SMS gateway",
)
