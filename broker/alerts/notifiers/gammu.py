"""Gammu: a modem of one's own, through its SMS daemon's folders. The last resort when the line is cut.

Accepted means queued for the modem; what it could not send comes back as failed, delivery as its report says.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from broker.alerts.plugins import NotifierPlugin, NotifierSettings
from broker.alerts.ports import Accepted, Outgoing, ProviderUnavailableError, Receipt, RefusedMessageError, Reply
from broker.stores.carrier import form_of
from broker.stores.phones import BadPhoneError, normalised, same_phone
from runtime.gammu_folders import GammuFolders, ModemDownError, Received, Reported


class GammuSettings(NotifierSettings):
    """`folder` holds gammu-smsd's inbox, outbox, sent and error; `pid_file` is what its `--pid` names.

    A text that the modem has not sent `stuck_after_s` after the last one moved is taken back as failed.
    """

    kind: Literal["gammu"]
    folder: Path = Path("/var/spool/gammu")
    pid_file: Path = Path("/run/gammu-smsd.pid")
    stuck_after_s: Annotated[float, Field(ge=30, le=3600)] = 120.0


class Gammu:
    """Sends through one modem.

    Raises:
        runtime.errors.SettingsError: a folder is missing.
    """

    channels = frozenset({"sms"})
    carries_unicode = True

    def __init__(self, settings: GammuSettings) -> None:
        self._folders = GammuFolders(
            settings.folder, settings.pid_file, stuck_after_s=settings.stuck_after_s, same_phone=same_phone
        )

    @property
    def name(self) -> str:
        """`gammu`."""
        return "gammu"

    def send(self, message: Outgoing) -> Accepted:
        """Queue a text for the modem.

        Raises:
            ProviderUnavailableError: the daemon does not run, or its outbox stands still.
            RefusedMessageError: no number, or a text that is too long.
        """
        if form_of(message.text).kind == "too-long":
            raise RefusedMessageError("gammu: too long for one concatenated text")
        try:
            return Accepted(self._folders.queue(message.message_id, normalised(message.recipient), message.text))
        except BadPhoneError as error:
            raise RefusedMessageError(f"gammu: {error}") from error
        except ModemDownError as error:
            raise ProviderUnavailableError(str(error)) from error

    def collect(self, note: Callable[[Receipt | Reply], None]) -> None:
        """What became of texts, and what came in.

        Raises:
            runtime.gammu_folders.ModemDownError: the folders cannot be read.
        """

        def told(found: Reported | Received) -> None:
            if isinstance(found, Received):
                note(Reply(found.reference, found.sender, found.text[:500]))
            else:
                note(Receipt(found.number, "delivered" if found.is_delivered else "failed", f"gammu: {found.detail}"))

        self._folders.look(told)

    def close(self) -> None:
        """Nothing is held open: each text is a file."""


PLUGIN = NotifierPlugin(
    kind="gammu",
    settings=GammuSettings,
    build=Gammu,
    title_ko="자체 모뎀 (gammu)",
    title_en="Modem of one's own (gammu)",
)
