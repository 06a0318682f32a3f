"""Twilio, through its own SDK: the second provider. To Korea it is one-way, EUC-KR only, with [국제발신] put before.

Sending, codes and status callbacks: Twilio Docs, "Message resource", "Error and warning dictionary", "Security".
"""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import httpx
from pydantic import Field

from broker.alerts.plugins import NotifierPlugin, NotifierSettings, library
from broker.alerts.ports import (
    Accepted,
    AmbiguousSendError,
    BadReceiptError,
    BadReplyError,
    Balance,
    Call,
    Outgoing,
    ProviderUnavailableError,
    Receipt,
    RefusedMessageError,
    Reply,
)
from broker.stores.carrier import carriable
from broker.stores.phones import BadPhoneError, e164
from runtime.secret_files import read_secret

CONNECT_TIMEOUT_S = 2.0
READ_TIMEOUT_S = 4.0
CONNECTIONS_MAX = 16
KOREA = "+82"
RECEIPT_PATH, REPLY_PATH = "/receipts/twilio", "/replies/twilio"
SIGNATURE = "x-twilio-signature"
RECEIPT_STATES = {
    "accepted": "accepted",
    "scheduled": "accepted",
    "queued": "accepted",
    "sending": "accepted",
    "sent": "accepted",
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "failed",
    "failed": "failed",
    "canceled": "failed",
}
# Codes that speak of this number or this text. Every other refusal speaks of the account, the sender or the load:
# another provider now, and this one again when somebody has set it right.
REFUSED_CODES = {
    21211: "not a valid number",
    21214: "the number cannot be reached",
    21217: "not a valid number",
    21265: "the number cannot be a short code",
    21602: "the text is empty",
    21604: "the number is missing",
    21605: "the text is too long",
    21610: "the recipient has unsubscribed",
    21612: "the number cannot be reached by this sender",
    21614: "not a mobile number",
    21617: "the text is too long",
    21635: "a landline cannot receive texts",
}
AMBIGUOUS_STATUS = frozenset({500, 502, 504})
SHOWN_MAX = 120


class TwilioSettings(NotifierSettings):
    """A Twilio account. `sender` is a number of it, or a messaging service (MG…).

    `public_url` is where the outside reaches this machine's `receipts_port` (https, through a reverse proxy that passes
    `/receipts/twilio` and `/replies/twilio`); without it Twilio cannot report deliveries. `region` and `edge` are
    Twilio's; `base_url` stands in for its address altogether. Below `balance_low` the balance is a trouble.
    """

    kind: Literal["twilio"]
    account_sid: Annotated[str, Field(pattern=r"^AC[0-9a-f]{32}$")]
    auth_token_file: Path
    sender: Annotated[str, Field(pattern=r"^(\+[0-9]{7,15}|MG[0-9a-f]{32})$")]
    public_url: Annotated[str, Field(pattern=r"^https://[^\s/?#]+$", max_length=200)] | None = None
    receipts_port: Annotated[int, Field(ge=1024, le=65535)] = 8632
    region: Annotated[str, Field(pattern=r"^[a-z0-9]+$")] | None = None
    edge: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] | None = None
    base_url: Annotated[str, Field(pattern=r"^https?://[^\s/?#]+$", max_length=200)] | None = None
    balance_low: Annotated[float, Field(ge=0)] = 10.0


class Twilio:
    """Sends through one account over kept-alive connections.

    Raises:
        runtime.errors.SettingsError: the SDK is not installed, or the token file cannot be used.
    """

    channels = frozenset({"sms"})
    carries_unicode = False

    def __init__(self, settings: TwilioSettings) -> None:
        self._settings = settings
        self._token = read_secret(settings.auth_token_file)
        self._http = _Http(settings.base_url)
        client = library("twilio.rest", "twilio").Client(
            settings.account_sid,
            self._token,
            region=settings.region,
            edge=settings.edge,
            http_client=self._http,
            environment={"-": "-"},  # an empty one would mean the process's own: settings come from our file alone
        )
        self._messages = client.messages  # loads the SDK's many files now, not under the first fire
        self._balance = client.balance
        self._error = library("twilio.base.exceptions", "twilio").TwilioException
        self._validator = library("twilio.request_validator", "twilio").RequestValidator(self._token)

    @property
    def name(self) -> str:
        """`twilio`."""
        return "twilio"

    def send(self, message: Outgoing) -> Accepted:
        """Hand a text to Twilio.

        Raises:
            ProviderUnavailableError: not connected, or refused for the account's or the sender's sake.
            AmbiguousSendError: no answer in time, or one that does not say.
            RefusedMessageError: Twilio refuses this number or text.
        """
        try:
            to = e164(message.recipient)
        except BadPhoneError as error:
            raise RefusedMessageError(f"Twilio: {error}") from error
        text = carriable(message.text) if to.startswith(KOREA) else message.text
        sender = "messaging_service_sid" if self._settings.sender.startswith("MG") else "from_"
        wanted = {"to": to, "body": text, sender: self._settings.sender}
        if self._settings.public_url is not None:
            wanted["status_callback"] = self._callback(message.message_id)
        try:
            taken = self._messages.create(**wanted)
        except self._error as error:
            raise _refusal(*_said(error)) from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise ProviderUnavailableError(f"Twilio cannot be reached: {type(error).__name__}") from error
        except httpx.HTTPError as error:
            raise AmbiguousSendError(f"Twilio did not answer: {type(error).__name__}") from error
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            # The SDK reads an answer that is not its JSON without looking: what it made of the message is not known.
            raise AmbiguousSendError(f"Twilio answered what it does not document: {type(error).__name__}") from error
        if RECEIPT_STATES.get(str(taken.status)) == "failed":
            raise _refusal(httpx.codes.BAD_REQUEST, taken.error_code, f"status {taken.status}")
        if not taken.sid:
            raise AmbiguousSendError("Twilio answered without a message id")
        return Accepted(str(taken.sid))

    def balance(self) -> Balance:
        """What is left on the account.

        Raises:
            ProviderUnavailableError: Twilio does not say.
        """
        try:
            found = self._balance.fetch()
            amount = float(found.balance)
        except self._error as error:
            status, _, said = _said(error)
            raise ProviderUnavailableError(f"Twilio's balance: {status} {said[:SHOWN_MAX]}") from error
        except (httpx.HTTPError, ValueError, TypeError, AttributeError) as error:
            raise ProviderUnavailableError(f"Twilio's balance: {type(error).__name__}") from error
        return Balance(amount, str(found.currency or ""), amount < self._settings.balance_low)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _callback(self, message_id: int) -> str:
        return f"{self._settings.public_url}{RECEIPT_PATH}?message={message_id}"


class CalledBackTwilio(Twilio):
    """With a public address: Twilio reports deliveries to it, and forwards replies where the country has any."""

    @property
    def receipts_port(self) -> int:
        """The loopback port behind the public address."""
        return self._settings.receipts_port

    def receipt(self, call: Call) -> Receipt:
        """Read a status callback.

        Raises:
            BadReceiptError: its signature is wrong, or it names no message of ours or no status of Twilio's.
        """
        number = call.query.get("message", "")
        if not (number.isascii() and number.isdigit() and len(number) < 19):  # noqa: PLR2004 — digits of a 64-bit number
            raise BadReceiptError("receipt without a message number")
        told = self._signed(self._callback(int(number)), call)
        if told is None:
            raise BadReceiptError(f"receipt for message {number} with a wrong signature")
        status = told.get("MessageStatus", "")
        if status not in RECEIPT_STATES:
            raise BadReceiptError(f"receipt for message {number} of unknown status {status[:20]!r}")
        code = told.get("ErrorCode", "")
        detail = f"Twilio: {status}, error {code[:10]}" if code else f"Twilio: {status}"
        return Receipt(int(number), RECEIPT_STATES[status], detail)

    def reply(self, call: Call) -> Reply:
        """Read a forwarded reply.

        Raises:
            BadReplyError: its signature is wrong, or it is none.
        """
        told = self._signed(f"{self._settings.public_url}{REPLY_PATH}", call)
        if told is None:
            raise BadReplyError("reply with a wrong signature")
        if not (told.get("MessageSid") and told.get("From")):
            raise BadReplyError("reply without its number or its sender")
        return Reply(told["MessageSid"][:120], told["From"][:40], told.get("Body", "")[:500])

    def _signed(self, address: str, call: Call) -> dict[str, str] | None:
        """The form that Twilio sent, if its signature over address and form is right."""
        try:
            told = dict(parse_qsl(call.body.decode("utf-8"), keep_blank_values=True, max_num_fields=100))
        except ValueError:
            return None
        return told if self._validator.validate(address, told, call.headers.get(SIGNATURE, "")) else None


@dataclass(frozen=True, slots=True)
class _Answer:
    """An HTTP answer in the shape that the SDK reads."""

    status_code: int
    text: str
    headers: httpx.Headers

    @property
    def ok(self) -> bool:
        return self.status_code < httpx.codes.BAD_REQUEST


class _Http:
    """The SDK's way out: its own client has other time-outs, logs numbers and texts, and heeds the environment."""

    is_async = False

    def __init__(self, base_url: str | None) -> None:
        self._base = urlsplit(base_url) if base_url else None
        self._client = httpx.Client(
            timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX),
            trust_env=False,
            verify=ssl.create_default_context(),
        )

    def request(  # noqa: PLR0913, PLR0917 — the SDK's own signature
        self,
        method: str,
        url: str,
        params: dict[str, str] | None = None,
        data: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002 — part of the SDK's signature; ours hold
        allow_redirects: bool = False,  # noqa: ARG002 — the same: a redirect would carry the token elsewhere
    ) -> _Answer:
        """One request; redirects are not followed."""
        if self._base is not None:
            url = urlunsplit(urlsplit(url)._replace(scheme=self._base.scheme, netloc=self._base.netloc))
        answer = self._client.request(method, url, params=params, data=data, headers=headers, auth=auth)
        return _Answer(answer.status_code, answer.text, answer.headers)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _said(error: Exception) -> tuple[int, object, str]:
    """Status, code and words of either of the SDK's two kinds of error; one without a status says nothing for sure."""
    status = getattr(error, "status", None)
    words = getattr(error, "msg", None) or getattr(error, "title", None) or type(error).__name__
    unsaid = int(httpx.codes.INTERNAL_SERVER_ERROR)
    return status if isinstance(status, int) else unsaid, getattr(error, "code", None), str(words)


def _refusal(status: int, code: object, said: str) -> Exception:
    if isinstance(code, int) and code in REFUSED_CODES:
        return RefusedMessageError(f"Twilio {code}: {REFUSED_CODES[code]}")
    words = f"Twilio answered {status}, code {code}: {' '.join(said.split())[:SHOWN_MAX]}"
    return AmbiguousSendError(words) if status in AMBIGUOUS_STATUS else ProviderUnavailableError(words)


def _build(settings: TwilioSettings) -> Twilio:
    return Twilio(settings) if settings.public_url is None else CalledBackTwilio(settings)


PLUGIN = NotifierPlugin(
    kind="twilio",
    settings=TwilioSettings,
    build=_build,
    title_ko="Twilio 국제 문자",
    title_en="Twilio",
)
