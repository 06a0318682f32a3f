"""Solapi on loopback: checks the signature of every call, registers messages, lists them, and knows a balance."""

import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from tests.broker.alerts.notifiers.loopback import Answer, Request, in_json

KEY, SECRET = "NCSKEYOFATEST", "solapi-secret-of-a-test"
SENDER = "0212345678"
AUTHORIZATION = re.compile(r"HMAC-SHA256 ApiKey=(\S+), Date=(\S+), salt=(\S+), signature=([0-9a-f]{64})")
SKEW = timedelta(minutes=15)
ZERO_CASH = {"requested": 0, "replacement": 0, "refund": 0, "sum": 0}


@dataclass(slots=True)
class SolapiStub:
    """`codes` are the status codes under which the next messages are refused; `states` what became of the others."""

    codes: list[str] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)
    registered: list[dict[str, object]] = field(default_factory=list)
    balance: float = 50_000.0
    point: float = 300.0
    page_max: int = 500
    salts: set[str] = field(default_factory=set)

    def __call__(self, request: Request) -> Answer:
        wrong = self._unsigned(request.headers.get("authorization", ""))
        if wrong:
            return in_json({"errorCode": wrong, "errorMessage": "인증 실패"}, 403)
        path = urlsplit(request.path)
        if (request.method, path.path) == ("POST", "/messages/v4/send-many/detail"):
            return self._register(json.loads(request.body))
        if (request.method, path.path) == ("GET", "/messages/v4/list-old"):
            return self._list({name: values[-1] for name, values in parse_qs(path.query).items()})
        if (request.method, path.path) == ("GET", "/cash/v1/balance"):
            return in_json({"balance": self.balance, "point": self.point})
        return in_json({"errorCode": "ResourceNotFound", "errorMessage": request.path}, 404)

    def _unsigned(self, header: str) -> str:
        match = AUTHORIZATION.fullmatch(header)
        if not match or match[1] != KEY:
            return "InvalidAPIKey"
        signed = hmac.new(SECRET.encode(), (match[2] + match[3]).encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(signed, match[4]):
            return "SignatureDoesNotMatch"
        if abs(datetime.now(UTC) - datetime.fromisoformat(match[2])) > SKEW or match[3] in self.salts:
            return "RequestTimeTooSkewed"
        self.salts.add(match[3])
        return ""

    def _register(self, body: dict[str, list[dict[str, object]]]) -> Answer:
        (message,) = body["messages"]
        number = f"M4V{len(self.registered):04}"
        if self.codes:
            code = self.codes.pop(0)
            failed = {
                "to": message["to"],
                "from": message["from"],
                "type": message["type"],
                "statusMessage": "접수 거부",
                "country": "82",
                "messageId": number,
                "statusCode": code,
                "accountId": "1",
                "customFields": message.get("customFields"),
            }
            return in_json({"failedMessageList": [failed], "groupInfo": _group(0), "messageList": []})
        self.registered.append({**message, "messageId": number, "at": datetime.now(UTC)})
        self.states.setdefault(number, "2000")
        listed = [{"messageId": number, "statusCode": "2000", "statusMessage": "정상 접수"}]
        return in_json({"failedMessageList": [], "groupInfo": _group(1), "messageList": listed})

    def _list(self, query: dict[str, str]) -> Answer:
        start, end = (datetime.fromisoformat(query[name]) for name in ("startDate", "endDate"))
        fitting = [one for one in self.registered if start <= one["at"] <= end]  # type: ignore[operator]  # "at" is ours
        first = int(query.get("startKey", "0"))
        most = min(int(query["limit"]), self.page_max)
        found = {
            str(one["messageId"]): {
                "to": one["to"],
                "messageId": one["messageId"],
                "customFields": one.get("customFields"),
                "statusCode": self.states[str(one["messageId"])],
            }
            for one in fitting[first : first + most]
        }
        following = str(first + most) if len(fitting) > first + most else None
        return in_json({"limit": most, "messageList": found, "startKey": str(first), "nextKey": following})


def _group(registered: int) -> dict[str, object]:
    count = dict.fromkeys(("sentTotal", "sentSuccess", "sentPending", "sentReplacement", "refund"), 0)
    return {
        "count": {**count, "total": 1, "registeredFailed": 1 - registered, "registeredSuccess": registered},
        "countForCharge": {},
        "balance": ZERO_CASH,
        "point": ZERO_CASH,
        "app": {},
        "log": [],
        "status": "SENDING",
        "allowDuplicates": False,
        "isRefunded": False,
        "accountId": "1",
        "masterAccountId": None,
        "apiVersion": "4",
        "groupId": "G4V1",
        "price": {},
        "dateCreated": None,
        "dateUpdated": None,
    }
