"""What the device's own modem has been asked to send, kept over a restart: nobody is told the same thing twice."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

FIRES_KEPT = 64
TEXTS_KEPT = 200
KEPT_MS = 86_400_000


class ModemText(BaseModel):
    """One text to one person. `number` names its file in the modem's folders; `fire` the event it is about, if any.

    waiting: not handed to the modem; queued: it lies there; sent: the phone network took it; given-up: it never will.
    `is_said`: the centre has been told of it in this run.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    phone: str
    text: str
    made_unix_ms: int
    fire: str | None = None
    state: Literal["waiting", "queued", "sent", "given-up"] = "waiting"
    tries: int = 0
    is_said: bool = False

    @property
    def is_open(self) -> bool:
        """Whether something is still to become of it."""
        return self.state in {"waiting", "queued"}


class KnownFire(BaseModel):
    """A fire that this device heard of. `is_received`: the centre has it; `is_told`: it was decided to tell it."""

    model_config = ConfigDict(frozen=True)

    event_id: str
    device: str
    zone: str
    camera: str
    seen_unix_ms: int
    is_received: bool = False
    is_told: bool = False

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing left to decide."""
        return self.is_received or self.is_told


class ToldState(BaseModel):
    """All of it."""

    model_config = ConfigDict(frozen=True)

    last_number: int = 0
    fires: tuple[KnownFire, ...] = ()
    texts: tuple[ModemText, ...] = ()
    is_gone_told: bool = False
    gone_unix_ms: int = 0

    def pruned(self, now_unix_ms: int) -> "ToldState":
        """Without what nobody will ask for any more; what is open stays."""
        closed = [one for one in self.texts if not one.is_open][-TEXTS_KEPT:]
        kept = {one.number for one in closed if abs(now_unix_ms - one.made_unix_ms) < KEPT_MS}
        texts = tuple(one for one in self.texts if one.is_open or one.number in kept)
        return self.model_copy(update={"fires": self.fires[-FIRES_KEPT:], "texts": texts})
