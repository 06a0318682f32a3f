"""What `jangteo rules` does: reads rules' files, and runs rules over the series store's past."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ConfigDict

from broker.rules.dry_run import Span, SubjectRun, Total, series_of
from broker.rules.dry_run import dry_run as run_dry
from broker.rules.files import load_file, load_folder
from broker.rules.model import Rule
from broker.series.ports import SeriesStore
from broker.series.settings import SeriesStoreSettings, open_series_store
from jangteo.letter_actions import moment_unix_ms
from runtime.clock import SystemClock
from runtime.errors import FatalError
from runtime.settings_file import SettingsModel, load_settings

_UNITS_S = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class BadDryRunError(FatalError, ValueError):
    """A dry run that cannot be made; the sentence says what would be right."""


class _HasRules(SettingsModel):
    """Of the settings of alerts only this matters here."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    series: SeriesStoreSettings
    rules_dir: Path | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a dry run is asked for. No `names`: all rules; no `markets`: all."""

    config: Path
    names: Sequence[str]
    since: str
    until: str | None
    rules: Path | None
    markets: frozenset[str]
    as_json: bool


def check(places: Sequence[Path]) -> None:
    """Print what the rules of these files and folders do.

    Raises:
        SettingsError: a file cannot be used: a sentence for each mistake.
    """
    for place in places:
        rules = _read(place)
        for rule in rules.values():
            print(f"{rule.name}: {_in_words(rule)}")
        print(f"{place}: {len(rules)} rules, no mistake.")


def dry_run(asked: Asked) -> None:
    """Print when the rules would have fired, and a total of each.

    Raises:
        SettingsError: the settings or the rules cannot be used.
        BadDryRunError: no such rule, or a time that cannot be.
    """
    settings = load_settings(asked.config, _HasRules)
    place = asked.rules or settings.rules_dir
    if place is None:
        raise BadDryRunError(f"{asked.config} names no rules_dir: name a file or folder of rules with --rules")
    rules = _chosen(_read(place), asked.names)
    span = _span(asked)
    with _store(settings) as store:
        for rule in rules:
            _run_one(rule, store, span, asked)


def _run_one(rule: Rule, store: SeriesStore, span: Span, asked: Asked) -> None:
    series = [
        one for one in series_of(rule, store, span.from_unix_ms) if not asked.markets or one.market in asked.markets
    ]
    if not asked.as_json:
        print(f"{rule.name}: {_in_words(rule)}")
    total = Total()
    for run in run_dry(rule, store, series, span):
        total.add(run)
        for line in _json_lines(rule, run) if asked.as_json else _lines(run):
            print(line)
    print(_json_total(rule, total, span) if asked.as_json else _total(rule, total, span))


def _read(place: Path) -> Mapping[str, Rule]:
    return load_folder(place) if place.is_dir() else {rule.name: rule for rule in load_file(place)}


def _chosen(rules: Mapping[str, Rule], names: Sequence[str]) -> Sequence[Rule]:
    for name in names:
        if name not in rules:
            raise BadDryRunError(f"there is no rule {name!r}: there are {', '.join(rules) or 'none'}")
    return [rules[name] for name in names] if names else list(rules.values())


def _span(asked: Asked) -> Span:
    now = SystemClock().unix_ms()
    begin = moment_unix_ms(asked.since, now, "--from")
    end = now if asked.until is None else min(now, moment_unix_ms(asked.until, now, "--to"))
    if begin < 0 or begin >= end:
        raise BadDryRunError(f"--from {asked.since} is not before {asked.until or 'now'}: give an earlier time")
    return Span(begin, end)


@contextmanager
def _store(settings: _HasRules) -> Iterator[SeriesStore]:
    store = open_series_store(settings.series)
    try:
        yield store
    finally:
        store.close()


def _in_words(rule: Rule) -> str:
    condition = rule.condition
    asked = f"{rule.telemetry} at fault" if condition.fault else f"{rule.telemetry} {rule.field} {_condition(rule)}"
    ends = f", over after {span_words(rule.clear_for_ms)}" if rule.clear_for_ms else ""
    where = "".join(
        f", only {what} {', '.join(names)}"
        for what, names in (("markets", rule.markets), ("devices", rule.devices))
        if names is not None
    )
    return f"{asked} for {span_words(rule.for_ms)}{ends}{where} → {rule.incident} incident ({rule.level})"


def _condition(rule: Rule) -> str:
    condition = rule.condition
    if condition.limit is not None:
        return f"{condition.asked} {condition.limit:g} (over at {condition.clear_at:g})"
    return f"{'=' if condition.equals is not None else 'not'} {str(condition.operand).lower()}"


def _lines(run: SubjectRun) -> Iterator[str]:
    name = f"{run.series.market}/{run.series.device}/{run.series.subject}"
    for one in run.firings:
        still = "" if one.is_over else ", and still"
        yield f"  {name}  {_time(one.from_unix_ms)}  for {span_words(one.ms)}{still}"
    if run.count > len(run.firings):
        yield f"  {name}  and {run.count - len(run.firings)} times more"


def _json_lines(rule: Rule, run: SubjectRun) -> Iterator[str]:
    where = {"market": run.series.market, "device": run.series.device, "subject": run.series.subject}
    for one in run.firings:
        times = {"from": _time(one.from_unix_ms), "until": _time(one.until_unix_ms), "seconds": one.ms / 1000}
        yield json.dumps({"rule": rule.name, **where, **times, "is_over": one.is_over}, ensure_ascii=False)


def _total(rule: Rule, total: Total, span: Span) -> str:
    when = f"from {_time(span.from_unix_ms)} to {_time(span.until_unix_ms)}"
    if not total.subjects:
        return f"{rule.name}: nothing of {rule.telemetry} is in the series store {when}: nothing can be said."
    times = "once" if total.count == 1 else f"{total.count} times"
    fired = f"{times} on {total.subjects_fired} of {total.subjects} subjects"
    if total.count:
        fired += f", {span_words(total.firing_ms)} in all, {span_words(total.longest_ms)} the longest"
    return f"{rule.name}: {fired}; values are known for {_share(total, span):.1%} of the time {when}."


def _json_total(rule: Rule, total: Total, span: Span) -> str:
    return json.dumps(
        {
            "rule": rule.name,
            "total": True,
            "from": _time(span.from_unix_ms),
            "until": _time(span.until_unix_ms),
            "subjects": total.subjects,
            "subjects_fired": total.subjects_fired,
            "count": total.count,
            "seconds": total.firing_ms / 1000,
            "longest_seconds": total.longest_ms / 1000,
            "known_share": round(_share(total, span), 4),
        }
    )


def _share(total: Total, span: Span) -> float:
    return total.known_ms / (total.subjects * span.ms) if total.subjects else 0.0


def span_words(ms: int) -> str:
    """A length of time in its two largest units: `1 d 4 h`, `12 min 30 s`, `0 s`."""
    rest, parts = ms // 1000, []
    for unit_s, name in _UNITS_S:
        count, rest = divmod(rest, unit_s)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"


def _time(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000).astimezone().isoformat(timespec="seconds")
