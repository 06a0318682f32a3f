"""The checker: roster times incidents against what the other side received. Knows nothing of our database."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.alert_crash.town import alarm_in, expected


@dataclass(frozen=True, slots=True)
class Received:
    """An SMS that arrived on the other side."""

    phone: str
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the first words. `lost` and `strange` in order; `most_copies` of any one."""

    expected: int
    lost: tuple[tuple[int, str], ...]
    strange: tuple[Received, ...]
    duplicates: int
    most_copies: int


def judge(alarms: int, received: Iterable[Received]) -> Verdict:
    """Every manager of every alarm's market must have its first word; once would be best."""
    wanted, copies, strange = expected(alarms), Counter[tuple[int, str]](), list[Received]()
    for one in received:
        alarm = alarm_in(one.text)
        if alarm is None:
            continue
        if (alarm, one.phone) in wanted:
            copies[alarm, one.phone] += 1
        else:
            strange.append(one)
    return Verdict(
        expected=len(wanted),
        lost=tuple(sorted(wanted - copies.keys())),
        strange=tuple(strange),
        duplicates=sum(copies.values()) - len(copies),
        most_copies=max(copies.values(), default=0),
    )
