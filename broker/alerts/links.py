"""Links for acknowledging: which address a text carries, one for each incident and recipient."""

import re
from collections import OrderedDict
from typing import Annotated

from pydantic import AfterValidator

from broker.stores.acknowledge_tokens import LIFE_S, LINK_PATH, MS_PER_S, TOKEN_LENGTH, LinkToken, new_token
from broker.stores.incident_models import Incident
from broker.stores.registry import Recipient
from runtime.clock import Clock

PUBLIC_URL_LENGTH_MAX = 40  # with path and token 55 bytes of the 90 that an SMS has
REMEMBERED_MAX = 10_000
REUSED_S_MAX = LIFE_S / 2  # a link that is sent again must still live long enough to be of use

_PUBLIC_URL = re.compile(r"https://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")


def _check_public_url(value: str) -> str:
    bare = value.rstrip("/").lower()
    if _PUBLIC_URL.fullmatch(bare) is None:
        raise ValueError(f"found {value!r}, expected the console's https address without a path, as https://alrt.kr")
    if len(bare) > PUBLIC_URL_LENGTH_MAX:
        raise ValueError(
            f"{bare} has {len(bare)} letters: an SMS has room for {PUBLIC_URL_LENGTH_MAX}, use a shorter name"
        )
    return bare


PublicUrl = Annotated[str, AfterValidator(_check_public_url)]
"""Where phones reach the console: https, short, without a path."""


class Links:
    """Makes the link of an incident for a recipient; none without a `public_url`.

    What one recipient is sent about one incident carries the same link, for half of its life; another one once its
    level has risen, because an acknowledgement of the watch used up the first. The last `REMEMBERED_MAX` are
    remembered, in memory only: after a restart, or beyond that, a message carries another link, and using either uses
    up both.
    """

    def __init__(self, public_url: str | None, clock: Clock) -> None:
        self._public_url = public_url
        self._clock = clock
        self._made: OrderedDict[tuple[int, str, str], LinkToken] = OrderedDict()

    @property
    def length(self) -> int:
        """How many bytes a link takes in a text; 0 without one."""
        return 0 if self._public_url is None else len(self._public_url) + len(LINK_PATH) + TOKEN_LENGTH

    def __call__(self, incident: Incident, recipient: Recipient) -> LinkToken | None:
        """The link by which this recipient acknowledges this incident."""
        if self._public_url is None:
            return None
        key, now = (incident.incident_id, incident.level, recipient.phone), self._clock.unix_ms()
        made = self._made.get(key)
        if made is not None and made.expires_unix_ms - now > (LIFE_S - REUSED_S_MAX) * MS_PER_S:
            return made
        token, sha256 = new_token()
        fresh = LinkToken(f"{self._public_url}{LINK_PATH}{token}", sha256, now + LIFE_S * MS_PER_S)
        self._made[key] = fresh
        self._made.move_to_end(key)
        while len(self._made) > REMEMBERED_MAX:
            self._made.popitem(last=False)
        return fresh
