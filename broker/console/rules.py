"""The page of the rules: what they are, where they stand, and what they would have said in a month."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from broker.console.composition import Console, console_of
from broker.console.dry_runs import Asked, DryRun
from broker.console.frame import framed
from broker.console.problems import NotHereError
from broker.console.security import Visitor, form_visitor, page_visitor
from broker.rules.dry_run import Span, SubjectRun
from broker.rules.files import RuleTable
from broker.rules.model import Rule
from broker.stores.rule_states import RuleState

MONTHS_BACK = 12
MS_PER_S = 1000
FIRINGS_LISTED_MAX = 20
PLACES_SHOWN_MAX = 20
LINE_WIDTH = 1000  # of the drawn line, in its own units

router = APIRouter()

Composed = Annotated[Console, Depends(console_of)]
Seen = Annotated[Visitor, Depends(page_visitor)]
Sent = Annotated[Visitor, Depends(form_visitor)]


@dataclass(frozen=True, slots=True)
class ShownRule:
    """A rule with where it stands now; `firing` are the first `PLACES_SHOWN_MAX` of those that do."""

    rule: Rule
    firing: Sequence[RuleState]
    firing_count: int
    waiting_count: int

    @property
    def value(self) -> str:
        """What its condition is held against, as a file has it."""
        condition = self.rule.condition
        found = condition.operand if condition.limit is None else f"{condition.limit:g}"
        return str(found).lower() if isinstance(found, bool) else str(found)


@dataclass(frozen=True, slots=True)
class Mark:
    """A firing on the drawn line, in its units."""

    x: float
    width: float


@dataclass(frozen=True, slots=True)
class ShownRun:
    """One subject of a dry run: its line, and the first of its firings."""

    run: SubjectRun
    marks: Sequence[Mark]

    @property
    def listed(self) -> int:
        """How many firings are listed in words."""
        return FIRINGS_LISTED_MAX


@router.get("/rules")
def get_rules(request: Request, visitor: Seen, console: Composed) -> Response:
    """The rules as their files are now, and where they stand."""
    return framed(request, "rules.html", rules_context(console), visitor)


@router.get("/rules/dry-runs/{number}")
def get_dry_run(number: int, request: Request, visitor: Seen, console: Composed) -> Response:
    """A dry run, as far as it is."""
    run = console.dry_runs.get(number)
    context = {"page": "rules", "dry": run, "shown": _shown_runs(run), "days": _days(console, run.asked.span)}
    return framed(request, "dry_run.html", {**context, "width": LINE_WIDTH}, visitor)


@router.post("/rules/dry-runs")
def post_dry_run(
    rule: Annotated[str, Form()],
    market: Annotated[str, Form()],
    month: Annotated[str, Form()],
    visitor: Sent,
    console: Composed,
) -> Response:
    """Start a dry run of one rule over one market's month."""
    found = rule_table(console).rules.get(rule)
    if found is None:
        raise NotHereError("rule", rule=rule)
    console.directory.market(market)
    span = months(console).get(month)
    if span is None:
        raise NotHereError("rule_month", month=month)
    number = console.dry_runs.begin(Asked(found, market, month, span))
    console.audit.write(visitor.user.name, "rule.dry_run", f"{rule} {market} {month}")
    return RedirectResponse(f"/rules/dry-runs/{number}", 303)


def rules_context(console: Console) -> dict[str, object]:
    """What the page of the rules shows."""
    table = rule_table(console)
    return {
        "page": "rules",
        "has_rules": console.rules is not None,
        "complaint": table.complaint,
        "rules": _shown_rules(console, table),
        "rule_markets": [one.market for one in console.directory.markets()],
        "months": list(months(console)),
        "dry_runs": console.dry_runs.newest(),
    }


def rule_table(console: Console) -> RuleTable:
    """The rules; none where no folder of them is named."""
    return RuleTable({}) if console.rules is None else console.rules.table()


def months(console: Console) -> Mapping[str, Span]:
    """This month so far and the twelve before it, newest first: YYYY-MM → from when until when."""
    zone = timezone(timedelta(minutes=console.settings.utc_offset_minutes))
    now_unix_ms = console.clock.unix_ms()
    begin = datetime.fromtimestamp(now_unix_ms / MS_PER_S, UTC).astimezone(zone)
    begin = begin.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    found, end_unix_ms = {}, now_unix_ms
    for _ in range(MONTHS_BACK + 1):
        begin_unix_ms = int(begin.timestamp() * MS_PER_S)
        if begin_unix_ms < end_unix_ms:
            found[begin.strftime("%Y-%m")] = Span(begin_unix_ms, end_unix_ms)
        end_unix_ms, begin = begin_unix_ms, (begin - timedelta(days=1)).replace(day=1)
    return found


def _shown_rules(console: Console, table: RuleTable) -> Sequence[ShownRule]:
    firing: defaultdict[str, list[RuleState]] = defaultdict(list)
    waiting: defaultdict[str, int] = defaultdict(int)
    for state in console.rule_states.all():
        if state.event_id is None:
            waiting[state.place.rule] += 1
        else:
            firing[state.place.rule].append(state)
    return [
        ShownRule(one, firing[one.name][:PLACES_SHOWN_MAX], len(firing[one.name]), waiting[one.name])
        for one in table.rules.values()
    ]


def _shown_runs(dry: DryRun) -> Sequence[ShownRun]:
    span = dry.asked.span
    return [ShownRun(run, [_mark(span, one.from_unix_ms, one.ms) for one in run.firings]) for run in dry.runs]


def _mark(span: Span, from_unix_ms: int, ms: int) -> Mark:
    """At least one unit wide: what lasted a minute is to be seen in a month."""
    x = (from_unix_ms - span.from_unix_ms) / span.ms * LINE_WIDTH
    return Mark(round(min(x, LINE_WIDTH - 1), 2), round(max(1.0, ms / span.ms * LINE_WIDTH), 2))


def _days(console: Console, span: Span) -> Sequence[tuple[int, float]]:
    """The days that are named over the lines, and where they begin."""
    zone = timezone(timedelta(minutes=console.settings.utc_offset_minutes))
    first = datetime.fromtimestamp(span.from_unix_ms / MS_PER_S, UTC).astimezone(zone)
    found = []
    for day in range(0, 31, 5):
        moment = first + timedelta(days=day)
        x = (moment.timestamp() * MS_PER_S - span.from_unix_ms) / span.ms * LINE_WIDTH
        if x < LINE_WIDTH:
            found.append((moment.day, round(x, 2)))
    return found
