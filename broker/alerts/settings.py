"""Settings of the alerts service (`jangteo alerts --config FILE`)."""

from typing import Annotated

from pydantic import Field, SerializeAsAny, ValidatorFunctionWrapHandler, WrapValidator

from broker.alerts.absence import ABSENT_AFTER_S
from broker.alerts.notifiers.spool import SpoolSettings
from broker.alerts.plugins import NotifierSettings, settings_for
from broker.alerts.stages.recognise import STALE_AFTER_S
from broker.stores.incidents import WINDOW_S
from contract.ids import Id
from runtime.settings_file import SettingsModel
from transport.ports import BrokerSettings
from transport.settings import BrokerBlock


def _of_its_kind(value: object, _default: ValidatorFunctionWrapHandler) -> NotifierSettings:
    return settings_for(value)


NotifierBlock = Annotated[SerializeAsAny[NotifierSettings], WrapValidator(_of_its_kind)]
"""A notifier's settings: `kind` chooses the plugin whose model the rest must fit."""


class AlertsSettings(SettingsModel):
    """The whole file. Notifiers are tried in their order; recipients come from the registry.

    `window_s`: rising again within it is an update. `stale_after_s`: a fire older than it is told as received late.
    `absent_after_s`: a device offline for longer is a trouble.
    """

    broker: BrokerBlock = BrokerBlock()
    worker: Id = "1"
    database_url: Annotated[str, Field(min_length=1)]
    notifiers: Annotated[tuple[NotifierBlock, ...], Field(min_length=1, max_length=8)] = (SpoolSettings(),)
    window_s: Annotated[float, Field(ge=0, le=86_400)] = WINDOW_S
    stale_after_s: Annotated[float, Field(ge=60, le=86_400)] = STALE_AFTER_S
    absent_after_s: Annotated[float, Field(ge=1, le=86_400)] = ABSENT_AFTER_S

    def broker_settings(self) -> BrokerSettings:
        """As the transport wants it. Each worker has its own client id: two do not end each other's session."""
        return self.broker.settings(f"alerts-{self.worker}")
