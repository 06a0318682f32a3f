"""Solapi (Korea), through its own SDK: SMS or LMS by the carriers' bytes, Alimtalk where a template is configured.

The SDK answers every fault with a bare `Exception`, tries to connect four times with 5 s each, and reads for 5 s:
here it runs behind a connection that was tried first, and behind a deadline. Its webhook carries no signature that
could be checked, so what became of messages is asked for. Codes: Solapi's developer guide, "메시지 상태 코드".
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import httpx
import pydantic
from pydantic import Field

from broker.alerts.deadline import Deadline
from broker.alerts.plugins import NotifierPlugin, NotifierSettings, library
from broker.alerts.ports import (
    Accepted,
    AmbiguousSendError,
    Balance,
    Outgoing,
    ProviderUnavailableError,
    Receipt,
    RefusedMessageError,
    Reply,
)
from broker.stores.carrier import carriable, form_of
from broker.stores.phones import BadPhoneError, normalised
from runtime.secret_files import read_secret
from runtime.settings_file import SettingsModel

CONNECT_S = 2.0
CALL_S = 4.8  # with CONNECT_S less than the 7 s that a notifier has; the SDK alone would read for 5 s
CALLS_MAX = 32
OUTSTANDING_MAX = 10_000
OUTSTANDING_S = 86_400.0
ASK_EVERY_S = 5.0
ASK_LATE_EVERY_S = 60.0  # once the newest message has been out for LATE_S: a phone that is off
LATE_S = 120.0
ASK_BACK_S = 3600.0  # after a start: what the run before has sent
MARGIN_S = 60.0  # for clocks that differ
PAGE_MAX, PAGES_MAX = 500, 20
CUSTOM_FIELD = "jangteoMessageId"
SHOWN_MAX = 120

# At registration (1xxx) nothing was sent. These codes speak of the account: another provider now, and this one again
# when somebody has set it right. A code that is not listed is treated alike: only what is surely the message's own
# fault is final.
ACCOUNT_CODES = {"1030": "no balance left", "1062": "the sender number is not registered"}
REFUSED_ERRORS = frozenset({"ValidationError"})  # HTTP 400: this number or text does not fit Solapi's own checks
# What became of a message that was registered. 2xxx: on its way; 3000: at the carrier.
DELIVERED_CODE, AT_CARRIER_CODE = "4000", "3000"
FAILED_CODES = {"3043": "the phone is switched off"}
UNKNOWN_ERROR = "UnknownError"  # the SDK's name for every 5xx, and for a 4xx without a code


class Alimtalk(SettingsModel):
    """A registered KakaoTalk template. Its variable `text_variable` takes our whole text; SMS/LMS where it fails."""

    pf_id: Annotated[str, Field(min_length=1, max_length=80)]
    template_id: Annotated[str, Field(min_length=1, max_length=80)]
    text_variable: Annotated[str, Field(min_length=1, max_length=40)] = "내용"


class SolapiSettings(NotifierSettings):
    """A Solapi account. `sender` is a number registered with it; below `balance_low` won the balance is a trouble."""

    kind: Literal["solapi"]
    api_key: Annotated[str, Field(min_length=1, max_length=80)]
    api_secret_file: Path
    sender: Annotated[str, Field(pattern=r"^[0-9]{8,12}$")]
    base_url: Annotated[str, Field(pattern=r"^https?://[^\s/?#]+$", max_length=200)] = "https://api.solapi.com"
    alimtalk: Alimtalk | None = None
    balance_low: Annotated[float, Field(ge=0)] = 10_000.0


@dataclass(frozen=True, slots=True)
class _Sdk:
    """The SDK's parts that are used. Any: it ships no type information."""

    service: Any
    message: Any
    message_type: Any
    request_config: Any
    kakao_option: Any
    query: Any
    not_received: type[Exception]


class Solapi:
    """Sends through one account. `now_s` is the time in Unix seconds.

    What became of a message is asked for until it is final, for a day at most; of more than `OUTSTANDING_MAX` messages
    the oldest are given up. After a start the last hour is asked for once.

    Raises:
        runtime.errors.SettingsError: the SDK is not installed, or the secret file cannot be used.
    """

    channels = frozenset({"sms"})
    carries_unicode = False

    def __init__(self, settings: SolapiSettings, now_s: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._now_s = now_s
        self._sdk = _sdk()
        self._service = self._sdk.service(settings.api_key, read_secret(settings.api_secret_file))
        self._service.base_url = settings.base_url
        self._deadline = Deadline("solapi", CALLS_MAX)
        self._lock = threading.Lock()
        self._outstanding: dict[int, float] = {}  # our numbers, and when they were sent
        self._asked_s = float("-inf")
        self._asked_back = False

    @property
    def name(self) -> str:
        """`solapi`."""
        return "solapi"

    def send(self, message: Outgoing) -> Accepted:
        """Register a text with Solapi.

        Raises:
            ProviderUnavailableError: not connected, or refused for the account's sake.
            AmbiguousSendError: no answer in time, or one that does not say.
            RefusedMessageError: Solapi refuses this number or text.
        """
        request = self._request(message)
        config = self._sdk.request_config(show_message_list=True)
        answer = self._call(lambda: self._service.send(request, config))
        count = answer.group_info.count
        if count.registered_success < 1:
            raise AmbiguousSendError(f"Solapi registered {count.registered_success} of {count.total}")
        numbers = [one.message_id for one in answer.message_list or ()]
        self._remember(message.message_id)
        return Accepted((numbers[0] if numbers else answer.group_info.group_id)[:120])

    def collect(self, note: Callable[[Receipt | Reply], None]) -> None:
        """Ask what became of the messages that are not final yet.

        Raises:
            ProviderUnavailableError: Solapi does not say now.
        """
        since_s, now_s = self._ask_since(), self._now_s()
        if since_s is None:
            return
        self._asked_s = now_s
        for found in self._listed(since_s - MARGIN_S, now_s + MARGIN_S):
            receipt = _receipt(found)
            if receipt is None or (self._asked_back and receipt.message_id not in self._outstanding):
                continue
            note(receipt)
            if receipt.state != "accepted":
                with self._lock:
                    self._outstanding.pop(receipt.message_id, None)
        self._asked_back = True

    def balance(self) -> Balance:
        """What is left on the account: won, with the points that Solapi spends first.

        Raises:
            ProviderUnavailableError: Solapi does not say.
        """
        try:
            found = self._call(self._service.get_balance)
        except (AmbiguousSendError, RefusedMessageError) as error:
            raise ProviderUnavailableError(f"balance: {error}") from error
        amount = float(found.balance or 0) + float(found.point or 0)
        return Balance(amount, "KRW", amount < self._settings.balance_low)

    def close(self) -> None:
        """Nothing is held open: the SDK connects for each call."""

    def _request(self, message: Outgoing) -> Any:  # noqa: ANN401 — the SDK's own model
        try:
            to = normalised(message.recipient)
        except BadPhoneError as error:
            raise RefusedMessageError(f"Solapi: {error}") from error
        if to.startswith("+"):
            raise RefusedMessageError("Solapi is used for Korean numbers only")
        text = carriable(message.text)
        form = form_of(text)
        if form.kind == "too-long":
            raise RefusedMessageError(f"Solapi: {form.length} bytes are more than an LMS of {form.limit} carries")
        alimtalk = self._settings.alimtalk
        kind = "ATA" if alimtalk else form.kind.upper()
        return self._sdk.message(
            from_=self._settings.sender,
            to=to,
            text=text,
            type=self._sdk.message_type(kind),
            auto_type_detect=False,
            custom_fields={CUSTOM_FIELD: str(message.message_id)},
            kakao_options=None
            if alimtalk is None
            else self._sdk.kakao_option(
                pf_id=alimtalk.pf_id,
                template_id=alimtalk.template_id,
                variables={alimtalk.text_variable: text},
                disable_sms=False,
            ),
        )

    def _call(self, work: Callable[[], Any]) -> Any:  # noqa: ANN401 — what the SDK returns
        """One call of the SDK, its bare exceptions sorted.

        Raises:
            ProviderUnavailableError: surely not taken.
            AmbiguousSendError: perhaps taken.
            RefusedMessageError: never to be taken.
        """
        try:
            self._deadline.call(self._knock, CONNECT_S)
        except OSError as error:  # a time-out is one; so is a name that cannot be resolved
            raise ProviderUnavailableError(f"Solapi cannot be reached: {type(error).__name__}") from error
        try:
            return self._deadline.call(work, CALL_S)
        except ProviderUnavailableError:
            raise
        except self._sdk.not_received as error:
            raise _not_received(error) from error
        except Exception as error:  # the SDK raises nothing narrower
            raise _sorted(error) from error

    def _knock(self) -> None:
        """Connect once, so that a line that is cut costs 2 s and not the SDK's 20."""
        address = urlsplit(self._settings.base_url)
        port = address.port or (443 if address.scheme == "https" else 80)
        socket.create_connection((address.hostname or "", port), CONNECT_S).close()

    def _remember(self, message_id: int) -> None:
        with self._lock:
            self._outstanding.pop(message_id, None)
            if len(self._outstanding) >= OUTSTANDING_MAX:
                del self._outstanding[next(iter(self._outstanding))]
            self._outstanding[message_id] = self._now_s()

    def _ask_since(self) -> float | None:
        """From when on messages are asked for now; None: not yet, or nothing to ask for."""
        now_s = self._now_s()
        with self._lock:
            for number in [one for one, sent_s in self._outstanding.items() if sent_s < now_s - OUTSTANDING_S]:
                del self._outstanding[number]
            sent = list(self._outstanding.values())
        if not self._asked_back:
            sent.append(now_s - ASK_BACK_S)
        if not sent:
            return None
        every_s = ASK_LATE_EVERY_S if max(sent) < now_s - LATE_S and self._asked_back else ASK_EVERY_S
        return min(sent) if abs(now_s - self._asked_s) >= every_s else None

    def _listed(self, from_s: float, until_s: float) -> Iterator[Any]:
        """Solapi's list of the messages that were registered in this time."""
        key: str | None = None
        for _ in range(PAGES_MAX):
            query = self._sdk.query(start_date=_iso(from_s), end_date=_iso(until_s), limit=PAGE_MAX, start_key=key)
            try:
                page = self._call(partial(self._service.get_messages, query))
            except (AmbiguousSendError, RefusedMessageError) as error:
                raise ProviderUnavailableError(f"what became of messages: {error}") from error
            yield from page.message_list.values()
            key = page.next_key
            if not key:
                return


def _iso(unix_s: float) -> str:
    return datetime.fromtimestamp(int(unix_s), UTC).isoformat()


def _sdk() -> _Sdk:
    return _Sdk(
        service=library("solapi.services.message_service", "solapi").SolapiMessageService,
        message=library("solapi.model.request.message", "solapi").Message,
        message_type=library("solapi.model.message_type", "solapi").MessageType,
        request_config=library("solapi.model.request.send_message_request", "solapi").SendRequestConfig,
        kakao_option=library("solapi.model.kakao.kakao_option", "solapi").KakaoOption,
        query=library("solapi.model.request.messages.get_messages", "solapi").GetMessagesRequest,
        not_received=library("solapi.error.MessageNotReceiveError", "solapi").MessageNotReceivedError,
    )


def _not_received(error: Any) -> Exception:  # noqa: ANN401 — the SDK's exception with its own attribute
    """Every message of the call was refused when it was registered: we send one at a time."""
    first = error.failed_messages[0]
    code = str(first.status_code)
    said = ACCOUNT_CODES.get(code) or " ".join(str(first.status_message).split())[:SHOWN_MAX]
    return ProviderUnavailableError(f"Solapi {code}: {said}")


# In this order: a time-out while connecting is also an HTTPError. Only of a 4xx does the SDK read the body unguarded:
# an answer that is not JSON is then a refusal by something that stands before Solapi.
MEANINGS: tuple[tuple[tuple[type[Exception], ...], type[Exception], str], ...] = (
    (
        (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout),
        ProviderUnavailableError,
        "Solapi cannot be reached",
    ),
    ((json.JSONDecodeError,), ProviderUnavailableError, "refused with an answer that is not Solapi's"),
    ((httpx.HTTPError, TimeoutError), AmbiguousSendError, "Solapi did not answer"),
    ((pydantic.ValidationError,), AmbiguousSendError, "Solapi answered in another form than its SDK knows"),
)


def _sorted(error: Exception) -> Exception:
    """What the SDK's exception means for the message."""
    if type(error) is Exception and len(error.args) == 2:  # noqa: PLR2004 — the SDK's (code, words)
        return _coded(*(" ".join(str(one).split())[:SHOWN_MAX] for one in error.args))
    for kinds, meaning, words in MEANINGS:
        if isinstance(error, kinds):
            return meaning(f"{words}: {type(error).__name__}")
    return AmbiguousSendError(f"Solapi's SDK failed: {type(error).__name__}")


def _coded(code: str, words: str) -> Exception:
    if code == UNKNOWN_ERROR:
        return AmbiguousSendError(f"Solapi failed within: {words}")
    if code in REFUSED_ERRORS:
        return RefusedMessageError(f"Solapi {code}: {words}")
    return ProviderUnavailableError(f"Solapi {code}: {words}")


def _receipt(found: Any) -> Receipt | None:  # noqa: ANN401 — the SDK's model of a message
    """What a message's code says; None for one that is not ours."""
    ours = str((found.custom_fields or {}).get(CUSTOM_FIELD, ""))
    if not (ours.isascii() and ours.isdigit() and len(ours) < 19):  # noqa: PLR2004 — digits of a 64-bit number
        return None
    code = str(found.status_code or "")
    if code == DELIVERED_CODE:
        return Receipt(int(ours), "delivered", f"Solapi {code}")
    if code.startswith(("1", "3")) and code != AT_CARRIER_CODE:
        words = FAILED_CODES.get(code) or ACCOUNT_CODES.get(code) or "not delivered"
        return Receipt(int(ours), "failed", f"Solapi {code}: {words}")
    return Receipt(int(ours), "accepted", f"Solapi {code}")


PLUGIN = NotifierPlugin(
    kind="solapi",
    settings=SolapiSettings,
    build=Solapi,
    title_ko="솔라피 문자·알림톡",
    title_en="Solapi",
)
