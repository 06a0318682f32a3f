"""The texts of the queries, put together from few pieces. They hold for InfluxDB 1.8, 2 and 3 alike.

What had to be met, each shown by `tests/dashboards`:
- `last("state")` with further fields takes them from the same point; `last("occupied")` by itself would take a bay that
  has become unknown for what it was before.
- A subquery in buckets has `fill(none)`: with `fill(0)`, InfluxDB 1.x mixes up the series that the outer query joins.
- A difference is taken of one field in a query of its own; two beside each other lose each other's rows.
- "Now" is the end of the chosen range (`${__to}`), so that a look into the past is as right as one at today.
- Days are Korean ones: buckets are shifted by nine hours, which needs no table of time zones on the server.
"""

from collections.abc import Sequence

MARKET = '"market" =~ /^$market$/'
HERE = f'{MARKET} AND "device" =~ /^$device$/'
CENTRAL = "\"market\" = 'central'"

RANGE = "$timeFilter"
STEP = "$__interval"
DAY = "1d, -9h"
EACH = '"market", "device", "subject"'

STALE_AFTER_S = {
    "cameras": 8,
    "bays": 25,
    "gates": 25,
    "people": 25,
    "screens": 25,
    "sirens": 25,
    "agents": 25,
    "services": 30,
}
"""After how long without a reading nothing is known any more: the console's rule (a test compares them)."""

SEEN_WITHIN = "7d"
"""What was heard within this time and is not heard now is silent; what is silent for longer leaves the dashboards."""

FREE = 'count("occupied") - sum("occupied")'
OCCUPIED = 'sum("occupied")'
SHARE_OCCUPIED = 'mean("occupied")'
KNOWN = 'sum("known")'
UNKNOWN = 'count("known") - sum("known")'
"""Of the newest points. `occupied` is absent while a bay is unknown or closed, so that it is neither free nor taken."""

NEWEST_WINDOW = "time > ${__to}ms - 20m AND time <= ${__to}ms - 5m"
"""Where the newest closed window of the range begins. It is there two minutes after its end and a little: what is older
than this is missing because upkeep is behind, and is not shown."""

_STAY_ENCODING = 10**12
_LEADS = {"agents": "uptime_s", "services": "ok"}


def at_end(kind: str) -> str:
    """Within the last moments of the chosen range: readings that still stand at its end."""
    return f"time > ${{__to}}ms - {STALE_AFTER_S[kind]}s AND time <= ${{__to}}ms"


def _newest(kind: str, fields: Sequence[str], where: str, when: str, grouped: str) -> str:
    lead = _LEADS.get(kind, "state")
    chosen = ", ".join([f'last("{lead}") AS "{lead}"', *(f'"{name}"' for name in fields if name != lead)])
    return f'SELECT {chosen} FROM "{kind}" WHERE {where} AND {when} GROUP BY {grouped}'


def now(kind: str, what: str, fields: Sequence[str], *, where: str = HERE, by: str = "", only: str = "") -> str:
    """`what` (aggregates of `fields`) over the newest point of each series at the end of the range.

    `by` is a tag to group by, `only` a condition on the newest point.
    """
    newest = _newest(kind, fields, where, at_end(kind), EACH)
    return f"SELECT {what} FROM ({newest}) WHERE {_all(only, at_end(kind))}{_grouped(by)}"


def over_time(
    kind: str, what: str, fields: Sequence[str], *, where: str = HERE, by: str = "", only: str = "", step: str = STEP
) -> str:
    """The same in buckets of the range; a bucket without a point is left open (null)."""
    newest = _newest(kind, fields, where, RANGE, f"time({step}), {EACH} fill(none)")
    buckets = ", ".join(filter(None, [f"time({step})", by]))
    return f"SELECT {what} FROM ({newest}) WHERE {_all(only, RANGE)} GROUP BY {buckets} fill(null)"


def silent(kind: str, *, where: str = HERE, by: str = "", named: str = "silent") -> str:
    """How many series spoke within `SEEN_WITHIN` and do not at the end of the range: one added, one taken away each."""
    lead = _LEADS.get(kind, "known")
    seen = f"time > ${{__to}}ms - {SEEN_WITHIN} AND time <= ${{__to}}ms"
    added, taken = (
        f'(SELECT last("{lead}") * 0 {sign} 1 AS "one" FROM "{kind}" WHERE {where} AND {when} GROUP BY {EACH})'
        for sign, when in (("+", seen), ("-", at_end(kind)))
    )
    return f'SELECT sum("one") AS "{named}" FROM {added}, {taken} WHERE {seen}{_grouped(by)}'


def value(kind: str, field: str, how: str = "last", *, where: str = HERE, fill: str = "null", by: str = EACH) -> str:
    """One line for each series: `how` of a field in each bucket."""
    return f'SELECT {how}("{field}") FROM "{kind}" WHERE {where} AND {RANGE} GROUP BY time({STEP}), {by} fill({fill})'


def grown(kind: str, field: str, *, where: str = HERE, by: str = "", step: str = STEP) -> str:
    """How much counters grew in each bucket, summed over the series; one that began again at 0 counts from there."""
    inner = (
        f'SELECT non_negative_difference("{field}") AS "more" FROM "{kind}" WHERE {where} AND {RANGE} GROUP BY {EACH}'
    )
    buckets = ", ".join(filter(None, [f"time({step})", by]))
    return f'SELECT sum("more") FROM ({inner}) WHERE {RANGE} GROUP BY {buckets} fill(null)'


def grown_in_range(kind: str, field: str, *, where: str = HERE, by: str = "", named: str = "more") -> str:
    """How much counters grew over the whole range."""
    inner = (
        f'SELECT non_negative_difference("{field}") AS "more" FROM "{kind}" WHERE {where} AND {RANGE} GROUP BY {EACH}'
    )
    return f'SELECT sum("more") AS "{named}" FROM ({inner}) WHERE {RANGE}{_grouped(by)}'


def stays(how: str, step: str = "") -> str:
    """`how` (mean, …) of the milliseconds that cars stood, by when they left, at stays that were seen to their end.

    Without `step`, of the whole range.

    A bay that goes from taken to free makes `since_unix_ms` jump by the length of the stay. `occupied` is packed into
    the same number, so that one difference tells both: below zero, it is a car that left.
    """
    both = f'"since_unix_ms" + {_STAY_ENCODING} * "occupied"'
    packed = f'SELECT {both} AS "at" FROM "bays" WHERE {HERE} AND {RANGE} GROUP BY {EACH}'
    change = f'SELECT difference("at") AS "change" FROM ({packed}) WHERE {RANGE} GROUP BY {EACH}'
    buckets = f" GROUP BY time({step}) fill(none)" if step else ""
    return f'SELECT {how} + {_STAY_ENCODING} FROM ({change}) WHERE "change" < 0 AND {RANGE}{buckets}'


def turnover(step: str) -> str:
    """Cars that parked, a bay and bucket, over the bays that were known in it."""
    inner = f'SELECT non_negative_difference("occupied") AS "came" FROM "bays" WHERE {HERE} AND {RANGE} GROUP BY {EACH}'
    each = f'SELECT sum("came") AS "came" FROM ({inner}) WHERE {RANGE} GROUP BY time({step}), {EACH} fill(none)'
    return f'SELECT mean("came") FROM ({each}) WHERE {RANGE} GROUP BY time({step}) fill(none)'


def weighed(kind: str, field: str, *, where: str = HERE, by: str = "", step: str = STEP) -> str:
    """The time-weighted mean of a share from the 5-minute roll-ups, over the time in which it was known."""
    known = '"covered_s"' if field == "known" else '"covered_s" * "known_mean"'
    inner = (
        f'SELECT "{field}_mean" * {known} AS "held_s", {known} AS "known_s", "{field}_mean" AS "mean"'
        f' FROM "{kind}-5m" WHERE {where} AND {RANGE} GROUP BY {EACH}'
    )
    buckets = ", ".join(filter(None, [f"time({step})", by]))
    there = f'"mean" >= 0 AND {RANGE}'
    return f'SELECT sum("held_s") / sum("known_s") FROM ({inner}) WHERE {there} GROUP BY {buckets} fill(none)'


def shown_s(only: str, *, by: str = "") -> str:
    """Seconds in each hour in which screens showed something: ten for every 10 s whose last report says so."""
    newest = _newest("screens", ["showing", "item", "known"], HERE, RANGE, f"time(10s), {EACH} fill(none)")
    buckets = ", ".join(filter(None, ["time(1h)", by]))
    return f'SELECT count("state") * 10 FROM ({newest}) WHERE {only} AND {RANGE} GROUP BY {buckets} fill(null)'


def missing(field: str, *, where: str = HERE, only: str = "", step: str = "", by: str = "") -> str:
    """What gap records name (batches or readings), less what came after all or another record names more exactly.

    Ingest writes such a record again with `filled_unix_ms` or `superseded_unix_ms`.
    """
    closed = '("filled_unix_ms" > 0 OR "superseded_unix_ms" > 0)'
    named, taken_back = (
        f'(SELECT "{field}" * {sign} AS "one" FROM "gaps" WHERE {where} AND {_all(more, only, RANGE)} GROUP BY {EACH})'
        for sign, more in ((1, ""), (-1, closed))
    )
    buckets = ", ".join(filter(None, [f"time({step})" if step else "", by]))
    fill = " fill(none)" if step else ""
    return f'SELECT sum("one") FROM {named}, {taken_back} WHERE {RANGE}{_grouped(buckets)}{fill}'


def newest_window(*fields: str) -> str:
    """Fields of each market's newest closed window; a window without a reading has `devices_count` 0."""
    others = ", ".join(f'"{name}"' for name in fields)
    chosen = (
        f'last("devices_count") AS "devices_count", {others}' if fields else 'last("devices_count") AS "devices_count"'
    )
    return f'SELECT {chosen} FROM "markets-5m" WHERE {MARKET} AND {NEWEST_WINDOW} GROUP BY "market"'


def markets_heard() -> str:
    """How many markets had a device that was heard in their newest closed window; 0 where all are silent."""
    added, taken = (
        f'(SELECT "devices_count" * 0 {sign} 1 AS "one" FROM ({newest_window()}) WHERE {condition})'
        for sign, condition in (("+", '"devices_count" >= 0'), ("-", '"devices_count" = 0'))
    )
    return f'SELECT sum("one") FROM {added}, {taken}'


def of_windows(what: str, *, step: str = STEP, fill: str = "none") -> str:
    """`what` (sums of fields) of each market's windows in each bucket."""
    return f'SELECT {what} FROM "markets-5m" WHERE {MARKET} AND {RANGE} GROUP BY time({step}), "market" fill({fill})'


def tag_values(tag: str, *, where: str = "") -> str:
    """A variable's choices: the markets or devices whose bays or agents were ever heard."""
    condition = f" WHERE {where}" if where else ""
    return f'SHOW TAG VALUES FROM /^(agents|bays)$/ WITH KEY = "{tag}"{condition}'


def field_values(kind: str, field: str) -> str:
    """A variable's choices: what a text field held in the range (the first `$timeFilter` is filled in, no other)."""
    return f'SELECT DISTINCT("{field}") FROM "{kind}" WHERE {HERE} AND {RANGE}'


def _all(*conditions: str) -> str:
    return " AND ".join(filter(None, conditions))


def _grouped(by: str) -> str:
    return f" GROUP BY {by}" if by else ""
