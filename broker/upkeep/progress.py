"""What upkeep says of itself: counters from its threads, and what is wrong with each of them."""

import threading
from collections.abc import Mapping


class Progress:
    """Named numbers, and a sentence for each task that cannot do its work. For several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[str, float] = {}
        self._wrong: dict[str, str] = {}

    def add(self, name: str, count: float = 1) -> None:
        """Let a number grow."""
        with self._lock:
            self._counters[name] = self._counters.get(name, 0.0) + count

    def say(self, numbers: Mapping[str, float | None]) -> None:
        """Set numbers; one that is `None` is not known and is not said."""
        with self._lock:
            for name, value in numbers.items():
                if value is None:
                    self._counters.pop(name, None)
                else:
                    self._counters[name] = float(value)

    def wrong(self, task: str, sentence: str) -> None:
        """A task cannot do its work; empty when it can again."""
        with self._lock:
            if sentence:
                self._wrong[task] = sentence
            else:
                self._wrong.pop(task, None)

    def counters(self) -> Mapping[str, float]:
        """All numbers now."""
        with self._lock:
            return dict(self._counters)

    def detail(self) -> str:
        """What is wrong, a sentence for each task; empty when nothing is."""
        with self._lock:
            return "; ".join(f"{task}: {self._wrong[task]}" for task in sorted(self._wrong))
