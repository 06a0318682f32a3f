"""A receiver of signed webhooks, as docs/decisions/sms.md says one should be: it checks before it believes."""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field

from tests.broker.alerts.notifiers.loopback import Answer, Request, in_json

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
WINDOW_S = 300


@dataclass(slots=True)
class WebhookStub:
    taken: dict[str, dict[str, object]] = field(default_factory=dict)
    repeated: int = 0

    def __call__(self, request: Request) -> Answer:
        number, stamp = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "0")
        mac = hmac.new(KEY, f"{number}.{stamp}.".encode() + request.body, hashlib.sha256).digest()
        wanted = f"v1,{base64.b64encode(mac).decode()}"
        if wanted not in request.headers.get("webhook-signature", "").split(" "):
            return in_json({"error": "signature"}, 401)
        if abs(time.time() - int(stamp)) > WINDOW_S:
            return in_json({"error": "timestamp"}, 401)
        if number in self.taken:
            self.repeated += 1
        self.taken[number] = json.loads(request.body)
        return in_json({})
