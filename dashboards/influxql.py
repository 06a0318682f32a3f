"""InfluxQL in the forms that Grafana takes: a panel's target and an annotation. InfluxDB 1.8, 2 and 3 all answer it."""

from dataclasses import dataclass

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import AnnotationQuery, DataSourceRef

DATASOURCE_UID = "jangteo-influxdb"
DATASOURCE = DataSourceRef(type_val="influxdb", uid=DATASOURCE_UID)


@dataclass
class InfluxQuery(Dataquery):
    """A raw InfluxQL query in the form that Grafana's InfluxDB data source reads."""

    text: str
    ref_id: str
    alias: str
    result_format: str

    def to_json(self) -> dict[str, object]:
        """The target's JSON."""
        return {
            "datasource": DATASOURCE.to_json(),
            "refId": self.ref_id,
            "rawQuery": True,
            "query": self.text,
            "resultFormat": self.result_format,
            "alias": self.alias,
        }


class Influx(Builder[Dataquery]):
    """The builder that a panel's `with_target` wants: time series, or one table where `as_table`."""

    def __init__(self, text: str, *, ref_id: str = "A", alias: str = "", as_table: bool = False) -> None:
        self._query = InfluxQuery(text, ref_id, alias, "table" if as_table else "time_series")

    def build(self) -> Dataquery:
        """The query."""
        return self._query


class InfluxAnnotationQuery(AnnotationQuery):
    """The SDK's annotation has no place for a query of InfluxDB.

    The data source reads these keys from `target`, before Grafana 9 from the annotation itself: both have them.
    """

    def __init__(self, shown: AnnotationQuery, columns: dict[str, str]) -> None:
        super().__init__(shown.name, shown.datasource, shown.enable, shown.hide, shown.icon_color)
        self._columns = columns

    def to_json(self) -> dict[str, object]:
        """The annotation's JSON."""
        target = {
            **self._columns,
            "refId": "annotation",
            "name": self.name,
            "datasource": DATASOURCE.to_json(),
            "rawQuery": True,
            "fromAnnotations": True,
            "queryType": "tags",
            "limit": 0,
            "matchAny": False,
            "tags": [],
            "type": "tags",
        }
        return {**super().to_json(), **self._columns, "target": target}


class InfluxAnnotation(Builder[AnnotationQuery]):
    """Marks on every panel: `text` is the column that is read, `tags` the columns beside it, `ends` when it is over.

    `query` holds `$timeFilter` once: Grafana before 10 fills in the first alone.
    """

    def __init__(
        self,
        name: str,
        colour: str,
        query: str,
        *,
        text: str,
        tags: tuple[str, ...],
        ends: str = "",
        enable: bool = True,
    ) -> None:
        shown = AnnotationQuery(name=name, datasource=DATASOURCE, enable=enable, hide=False, icon_color=colour)
        columns = {"query": query, "textColumn": text, "tagsColumn": ",".join(tags), "timeEndColumn": ends}
        self._annotation = InfluxAnnotationQuery(shown, columns)

    def build(self) -> AnnotationQuery:
        """The annotation."""
        return self._annotation
