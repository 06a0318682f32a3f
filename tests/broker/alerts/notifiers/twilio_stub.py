"""Twilio on loopback: checks the account and the token, takes messages, knows a balance, and signs its callbacks."""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

from broker.alerts.ports import Call
from tests.broker.alerts.notifiers.loopback import Answer, Request, in_json

ACCOUNT = "AC" + "0" * 32
TOKEN = "twilio-token-of-a-test"
SENDER = "+15005550006"
PUBLIC_URL = "https://sms.example.kr"
ROOT = f"/2010-04-01/Accounts/{ACCOUNT}"


@dataclass(slots=True)
class TwilioStub:
    """`refusals` are the (HTTP status, code) of the next messages."""

    refusals: list[tuple[int, int]] = field(default_factory=list)
    taken: list[dict[str, str]] = field(default_factory=list)
    balance: str = "12.34"
    status: str = "queued"

    def __call__(self, request: Request) -> Answer:
        wanted = "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        if request.headers.get("authorization") != wanted:
            return _error(401, 20003, "Authenticate")
        if (request.method, request.path) == ("POST", f"{ROOT}/Messages.json"):
            if self.refusals:
                status, code = self.refusals.pop(0)
                return _error(status, code, f"refused with {code}")
            self.taken.append(dict(parse_qsl(request.body.decode())))
            return in_json({"sid": f"SM{len(self.taken):032x}", "status": self.status, "error_code": None}, 201)
        if (request.method, request.path) == ("GET", f"{ROOT}/Balance.json"):
            return in_json({"account_sid": ACCOUNT, "balance": self.balance, "currency": "USD"})
        return _error(404, 20404, "not found")


def _error(status: int, code: int, message: str) -> Answer:
    return in_json({"code": code, "message": message, "status": status}, status)


def callback(path: str, query: dict[str, str], form: dict[str, str], token: str = TOKEN) -> Call:
    """A call as Twilio makes it: HMAC-SHA1 over the address and the form's sorted names and values."""
    address = f"{PUBLIC_URL}{path}" + (f"?{urlencode(query)}" if query else "")
    signed = address + "".join(name + form[name] for name in sorted(form))
    mac = base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode()
    return Call(urlencode(query), {"x-twilio-signature": mac}, urlencode(form).encode())
