"""The central parts' counters as readings, so that dashboards can draw them: kind `services`, market `central`.

They are written here and not by each part: a part that is dead cannot say that it is.
"""

from collections.abc import Iterable

from broker.series.ports import FieldValue, Sample, Series
from broker.stores.parts import PartStatus
from contract.ids import BadIdError, check_id

MARKET = "central"
KIND = "services"
DETAIL_LENGTH_MAX = 500
FIELDS_MAX = 56  # of the 64 that a store takes; what is said here first has its place
MS_PER_S = 1000.0


def samples_of(parts: Iterable[PartStatus], now_unix_ms: int) -> list[Sample]:
    """One sample for each part whose name can be a series; it has the part's first 56 counters by name."""
    return [_sample(one, now_unix_ms) for one in parts if _is_id(one.part)]


def _sample(one: PartStatus, now_unix_ms: int) -> Sample:
    fields: dict[str, FieldValue] = {
        "ok": float(one.state == "ok"),
        "state": one.state,
        "age_s": one.age_s,
        "uptime_s": max(0.0, (now_unix_ms - one.started_unix_ms) / MS_PER_S),
    }
    if one.detail:
        fields["detail"] = one.detail[:DETAIL_LENGTH_MAX]
    fields |= {name: float(value) for name, value in sorted(one.counters.items())[:FIELDS_MAX] if name not in fields}
    return Sample(Series(MARKET, one.part, KIND, one.part), now_unix_ms, fields)


def _is_id(part: str) -> bool:
    try:
        check_id(part, "part")
    except BadIdError:  # the question itself
        return False
    return True
