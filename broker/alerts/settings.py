"""Settings of the alerts service (`jangteo alerts --config FILE`)."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SerializeAsAny, ValidatorFunctionWrapHandler, WrapValidator, model_validator

from broker.alerts.absence import ABSENT_AFTER_S
from broker.alerts.canary import CanarySettings
from broker.alerts.links import PublicUrl
from broker.alerts.notifiers.spool import SpoolSettings
from broker.alerts.plugins import NotifierSettings, settings_for
from broker.alerts.stages.recognise import STALE_AFTER_S
from broker.series.settings import SeriesStoreSettings
from broker.stores.incidents import WINDOW_S
from contract.ids import Id
from runtime.settings_file import SettingsModel
from transport.ports import BrokerSettings
from transport.settings import BrokerBlock

MAIN_WORKER = "1"


def _of_its_kind(value: object, _default: ValidatorFunctionWrapHandler) -> NotifierSettings:
    return settings_for(value)


NotifierBlock = Annotated[SerializeAsAny[NotifierSettings], WrapValidator(_of_its_kind)]
"""A notifier's settings: `kind` chooses the plugin whose model the rest must fit."""


class AlertsSettings(SettingsModel):
    """The whole file. Notifiers are tried in their order; recipients come from the registry.

    Several services may run on one central state: one sends, the others go on when it dies. Each has a `worker` name of
    its own. `window_s`: rising again within it is an update. `stale_after_s`: a fire older than it is told as received
    late. `absent_after_s`: a device offline for longer is a trouble. `public_url`: where people reach the console from
    outside; with it, texts carry a link to acknowledge by. `central_market`: whose people look after the centre and are
    told of its own troubles; every market's if none is named. `canary`: a test SMS every day. `rules_dir`: rules over
    the readings in `series`.
    """

    broker: BrokerBlock = BrokerBlock()
    worker: Id = MAIN_WORKER
    database_url: Annotated[str, Field(min_length=1)]
    notifiers: Annotated[tuple[NotifierBlock, ...], Field(min_length=1, max_length=8)] = (SpoolSettings(),)
    window_s: Annotated[float, Field(ge=0, le=86_400)] = WINDOW_S
    stale_after_s: Annotated[float, Field(ge=60, le=86_400)] = STALE_AFTER_S
    absent_after_s: Annotated[float, Field(ge=1, le=86_400)] = ABSENT_AFTER_S
    public_url: PublicUrl | None = None
    central_market: Id | None = None
    canary: CanarySettings | None = None
    series: SeriesStoreSettings | None = None
    rules_dir: Path | None = None

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        ports = Counter(port for one in self.notifiers if (port := getattr(one, "receipts_port", None)) is not None)
        twice = [str(port) for port, times in ports.items() if times > 1]
        if twice:
            raise ValueError(f"receipts_port {', '.join(twice)} is given twice: each notifier needs one of its own")
        return self

    @model_validator(mode="after")
    def _rules_have_a_store(self) -> Self:
        if self.rules_dir is not None and self.series is None:
            raise ValueError("rules_dir needs series: name the store that the rules read")
        return self

    @model_validator(mode="after")
    def _canary_has_a_market(self) -> Self:
        if self.canary is not None and self.central_market is None:
            raise ValueError("canary needs central_market: name the market whose people hear that it failed")
        return self

    @property
    def client_id(self) -> str:
        """Under which name the broker keeps this worker's session: two do not end each other's."""
        return f"alerts-{self.worker}"

    @property
    def part(self) -> str:
        """The name under which this worker reports."""
        return "alerts" if self.worker == MAIN_WORKER else self.client_id

    def broker_settings(self) -> BrokerSettings:
        """As the transport wants it."""
        return self.broker.settings(self.client_id)
