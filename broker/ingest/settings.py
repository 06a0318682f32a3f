"""Ingest's settings file."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from broker.series.settings import SeriesStoreSettings
from broker.stores.sequences import PATIENCE_S
from contract.ids import Id
from runtime.settings_file import SettingsModel
from transport.mqtt_consumer import ConsumerClient
from transport.ports import BrokerSettings
from transport.settings import BrokerBlock

MAIN_WORKER = "main"


class IngestSettings(SettingsModel):
    """What ingest needs: the broker, the central state, the series store, and which worker it is.

    With `share_group` several workers share the messages; each needs a name of its own and keeps it, because the broker
    holds back what it has for an absent member.
    """

    broker: BrokerBlock = BrokerBlock()
    database_url: Annotated[str, Field(min_length=1)]
    series: SeriesStoreSettings
    worker: Id = MAIN_WORKER
    share_group: Id | None = None
    mqtt_client: Annotated[
        ConsumerClient, Field(description="What speaks MQTT: our own (socket), or paho-mqtt, slower and widely used.")
    ] = "socket"
    gap_patience_s: Annotated[
        float,
        Field(
            ge=1,
            le=86_400,
            description="How long nothing may move before a missing number until it is named by a gap record.",
        ),
    ] = PATIENCE_S

    @model_validator(mode="after")
    def _workers_differ(self) -> Self:
        if self.share_group is not None and self.worker == MAIN_WORKER:
            raise ValueError("share_group needs worker: give each worker of the group a name of its own, such as w1")
        return self

    @property
    def client_id(self) -> str:
        """The MQTT client id: stable, because the broker keeps the session under it."""
        return f"ingest-{self.worker}"

    @property
    def part(self) -> str:
        """The name under which this worker reports."""
        return "ingest" if self.share_group is None else self.client_id

    def broker_settings(self) -> BrokerSettings:
        """As the transport wants them."""
        return self.broker.settings(self.client_id)
