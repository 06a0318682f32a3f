"""What `jangteo dead-letters` does: reads and marks letters in the central state."""

import base64
import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from broker.stores.dead_letters import DeadLetter, DeadLetters, LetterFilter, UnknownLetterError
from jangteo.central_database import central_database
from runtime.clock import SystemClock
from runtime.errors import FatalError

BODY_SHOWN_MAX = 160
LOOK_EVERY_S = 0.2
NO_FILTER = LetterFilter()

_AGO = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class BadFilterError(FatalError, ValueError):
    """A filter that cannot be used; the sentence says what would be right."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which letters a command is about: those numbered `ids`, or with `every` all that `wanted` names."""

    ids: Sequence[int]
    every: bool
    wanted: LetterFilter

    def check(self) -> None:
        """Refuse what is neither, or both.

        Raises:
            BadFilterError: the sentence says what to do.
        """
        if bool(self.ids) == self.every:
            raise BadFilterError("name the letters by number, or say --all (with filters, if you like): one of the two")
        if self.ids and self.wanted != NO_FILTER:
            raise BadFilterError("filters go with --all: letters that are named by number need none")


def list_letters(config: Path, wanted: LetterFilter, limit: int, *, as_json: bool) -> None:
    """Print the newest letters that `wanted` names."""
    with _letters(config) as letters:
        found = letters.find(wanted, limit)
    if as_json:
        _print_json([_as_object(one) for one in found])
        return
    for one in found:
        print(_line(one))
    if not found:
        print("No dead letter: nothing was refused, as far as the filters go.")


def show_letter(config: Path, letter_id: int) -> None:
    """Print one letter, whole.

    Raises:
        UnknownLetterError: there is none with this number.
    """
    with _letters(config) as letters:
        _print_json(_as_object(letters.get(letter_id)))


def replay_letters(config: Path, chosen: Chosen, wait_s: float) -> bool:
    """Ask for replays, wait for those that were named by number; true unless one was refused or is still waiting.

    Raises:
        FatalError: a number does not exist or cannot be replayed: nothing was asked for before that one.
    """
    chosen.check()
    now = SystemClock().unix_ms()
    with _letters(config) as letters:
        if chosen.every:
            asked = letters.request_replays(chosen.wanted, now)
            print(f"Asked for {asked}: ingest replays them while it runs; list them again to see what is left.")
            return True
        numbers = list(dict.fromkeys(chosen.ids))
        for number in numbers:
            letters.get(number)
        for number in numbers:
            letters.request_replay(number, now)
        return _report_outcome(letters, numbers, wait_s)


def forget_letters(config: Path, chosen: Chosen) -> None:
    """Delete letters.

    Raises:
        FatalError: a number does not exist: nothing was deleted.
    """
    chosen.check()
    with _letters(config) as letters:
        if chosen.every:
            forgotten = letters.forget_all(chosen.wanted)
        else:
            numbers = list(dict.fromkeys(chosen.ids))
            for number in numbers:
                letters.get(number)
            for number in numbers:
                letters.forget(number)
            forgotten = len(numbers)
    print(f"Forgotten: {forgotten}.")


def letter_filter(
    *,
    kind: str | None,
    market: str | None,
    device: str | None,
    since: str | None,
    until: str | None,
) -> LetterFilter:
    """The filter that a command's options mean.

    Raises:
        BadFilterError: a time cannot be read.
    """
    now = SystemClock().unix_ms()
    return LetterFilter(
        kind=kind,
        market=market,
        device=device,
        since_unix_ms=None if since is None else moment_unix_ms(since, now, "--since"),
        until_unix_ms=None if until is None else moment_unix_ms(until, now, "--until"),
    )


@contextmanager
def _letters(config: Path) -> Iterator[DeadLetters]:
    with central_database(config) as engine:
        yield DeadLetters(engine)


def moment_unix_ms(text: str, now_unix_ms: int, option: str) -> int:
    """`2h` (ago) or `2026-01-31T09:30` (local time unless it says otherwise) in Unix milliseconds.

    Raises:
        BadFilterError: neither.
    """
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return now_unix_ms - int(ago[1]) * _UNIT_S[ago[2]] * 1000
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise BadFilterError(f"{option} {text!r}: write how long ago (90s, 30m, 2h, 3d) or 2026-01-31T09:30") from error


def _report_outcome(letters: DeadLetters, numbers: Sequence[int], wait_s: float) -> bool:
    """Wait for the replays and say what became of each; true if all are taken."""
    waiting, refused, deadline_s = list(numbers), 0, time.monotonic() + wait_s
    while waiting:
        for number in list(waiting):
            outcome = _outcome(letters, number)
            if outcome:
                waiting.remove(number)
                refused += not outcome.endswith("taken.")
                print(outcome)
        if not waiting or time.monotonic() >= deadline_s:
            break
        time.sleep(LOOK_EVERY_S)
    for number in waiting:
        print(f"{number}: asked for; ingest has not come to it yet, and will while it runs.")
    return not refused and not waiting


def _outcome(letters: DeadLetters, number: int) -> str:
    try:
        letter = letters.get(number)
    except UnknownLetterError:  # a letter that was taken is no letter any more
        return f"{number}: taken."
    if letter.replay_requested_unix_ms is not None:
        return ""
    return f"{number}: refused again ({letter.reason_kind}): {letter.replay_error}"


def count_letters(config: Path, wanted: LetterFilter, *, as_json: bool) -> None:
    """Print how many letters each device has of each kind."""
    with _letters(config) as letters:
        counts = letters.counts(wanted)
    if as_json:
        _print_json(
            [
                {
                    "market": one.market,
                    "device": one.device,
                    "kind": one.kind,
                    "letters": one.letters,
                    "newest": _time(one.newest_unix_ms),
                }
                for one in counts
            ]
        )
        return
    for one in counts:
        who = f"{one.market}/{one.device}" if one.market else "(no device in the topic)"
        print(f"{one.letters:>7}  {one.kind:<16}  {who}  newest {_time(one.newest_unix_ms)}")


def _line(one: DeadLetter) -> str:
    body = one.body[:BODY_SHOWN_MAX].decode("utf-8", "backslashreplace")
    shown = "".join(char if char.isprintable() else " " for char in body)
    state = " [replay asked for]" if one.replay_requested_unix_ms is not None else ""
    tried = f" (replayed {one.replay_attempts} times: {one.replay_error})" if one.replay_attempts else ""
    head = f"{one.dead_letter_id}  {_time(one.received_unix_ms)}  {one.part}  {one.reason_kind}{state}"
    return f"{head}\n    {one.topic}\n    {one.reason}{tried}\n    {shown}"


def _as_object(one: DeadLetter) -> dict[str, object]:
    """A letter for JSON: the body as text where it is UTF-8, else in base 64."""
    try:
        body: dict[str, object] = {"body": one.body.decode()}
    except UnicodeDecodeError:
        body = {"body_base64": base64.b64encode(one.body).decode()}
    plain = {name: getattr(one, name) for name in DeadLetter.__dataclass_fields__ if name != "body"}
    return {**plain, "received": _time(one.received_unix_ms), "replayable": not one.not_replayable_because, **body}


def _time(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000).astimezone().isoformat(timespec="seconds")


def _print_json(content: object) -> None:
    print(json.dumps(content, ensure_ascii=False, indent=2))
