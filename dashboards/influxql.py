"""An InfluxQL query as a Grafana panel's target: InfluxQL alone, which InfluxDB 1.8, 2 and 3 answer."""

from dataclasses import dataclass, field

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import DataSourceRef

DATASOURCE_UID = "jangteo-influxdb"
DATASOURCE = DataSourceRef(type_val="influxdb", uid=DATASOURCE_UID)


@dataclass
class InfluxQuery(Dataquery):
    """A raw InfluxQL query in the form that Grafana's InfluxDB data source reads."""

    text: str
    ref_id: str = "A"
    alias: str = ""
    result_format: str = "time_series"
    extra: dict[str, object] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """The target's JSON."""
        return {
            "datasource": DATASOURCE.to_json(),
            "refId": self.ref_id,
            "rawQuery": True,
            "query": self.text,
            "resultFormat": self.result_format,
            "alias": self.alias,
            **self.extra,
        }


class Influx(Builder[Dataquery]):
    """The builder that a panel's `with_target` wants."""

    def __init__(self, text: str, *, ref_id: str = "A", alias: str = "") -> None:
        self._query = InfluxQuery(text=text, ref_id=ref_id, alias=alias)

    def build(self) -> Dataquery:
        """The query."""
        return self._query
