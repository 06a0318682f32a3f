"""The rules of a folder: every `*.yaml` in it, in the order of their names, each rule's name once over all of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from broker.rules.model import Rule, RuleFile
from runtime.errors import SettingsError
from runtime.settings_file import load_settings

RULES_MAX = 500


def load_file(path: Path) -> tuple[Rule, ...]:
    """The rules of one file.

    Raises:
        SettingsError: it cannot be used; a sentence for each mistake, with file, line and key.
    """
    return load_settings(path, RuleFile).rules


def load_folder(folder: Path) -> Mapping[str, Rule]:
    """The rules of every `*.yaml` in `folder`, by name. A folder without any has no rules.

    Raises:
        SettingsError: a file cannot be used, or two of them name a rule alike.
    """
    if not folder.is_dir():
        raise SettingsError(f"{folder}: there is no such folder: rules_dir names the folder of the rules' *.yaml files")
    found: dict[str, Rule] = {}
    homes: dict[str, Path] = {}
    for path in sorted(folder.glob("*.yaml")):
        for rule in load_file(path):
            if rule.name in found:
                raise SettingsError(
                    f"{path}: rules: {rule.name!r} is a rule of {homes[rule.name].name} already: rename one"
                )
            found[rule.name], homes[rule.name] = rule, path
    if len(found) > RULES_MAX:
        raise SettingsError(f"{folder}: {len(found)} rules: at most {RULES_MAX} are looked at")
    return found


@dataclass(frozen=True, slots=True)
class RuleTable:
    """The rules in use. `complaint` is why the files as they are now cannot be used.

    The rules are then those from before; `is_usable` is false while there are none, which is not the same as no rule.
    """

    rules: Mapping[str, Rule]
    complaint: str = ""
    is_usable: bool = True


class RuleFolder:
    """The rules of a folder as they are now: read again when a file changed; a mistake leaves the last good ones."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._looks: object = None
        self._table = RuleTable({}, is_usable=False)

    def table(self) -> RuleTable:
        """The rules in use, and what is wrong with the files, if something is."""
        looks = self._look()
        if looks != self._looks:
            try:
                self._table = RuleTable(load_folder(self._folder))
            except SettingsError as error:
                self._table = RuleTable(self._table.rules, "; ".join(str(error).splitlines()), self._table.is_usable)
            self._looks = looks
        return self._table

    def _look(self) -> tuple[tuple[str, int, int], ...]:
        """Names, sizes and times of the files. Empty, as for an empty folder, while the folder cannot be read."""
        try:
            found = [(path.name, path.stat()) for path in sorted(self._folder.glob("*.yaml"))]
        except OSError:
            return ()
        return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in found)
