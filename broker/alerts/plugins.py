"""Notifier plugins: each file of `broker/alerts/notifiers/` is one, found by being there."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, Generic, TypeVar, get_args

import broker.alerts.notifiers
from broker.alerts.ports import Notifier
from runtime.errors import FatalError, SettingsError
from runtime.settings_file import SettingsModel


class BrokenNotifierError(FatalError):
    """A file of `broker/alerts/notifiers/` that is not a plugin; the sentence names the file and what is wrong."""


class NotifierSettings(SettingsModel):
    """What every notifier's settings have. A plugin's own model narrows `kind` to its literal."""

    kind: str


S = TypeVar("S", bound=NotifierSettings)


@dataclass(frozen=True, slots=True)
class NotifierPlugin(Generic[S]):
    """One kind of notifier. `build` connects to nothing; `title_ko` and `title_en` say to people what it does."""

    kind: str
    settings: type[S]
    build: Callable[[S], Notifier]
    title_ko: str
    title_en: str


# Any: a mapping over plugins of different settings types; `build` gets back only what its own model validated.
AnyPlugin = NotifierPlugin[Any]


@cache
def discover() -> Mapping[str, AnyPlugin]:
    """All plugins by kind.

    Raises:
        BrokenNotifierError: a file does not import, has no `PLUGIN`, or its `PLUGIN` does not fit itself.
    """
    found: dict[str, AnyPlugin] = {}
    package = broker.alerts.notifiers
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda one: one.name):
        plugin = _load(f"{package.__name__}.{module.name}")
        if plugin.kind in found:
            raise BrokenNotifierError(f"notifier {module.name}: kind {plugin.kind!r} is taken by another file")
        found[plugin.kind] = plugin
    return found


def titles() -> Mapping[str, tuple[str, str]]:
    """What each kind does in (Korean, English), for pages that show a message's provider."""
    return {kind: (plugin.title_ko, plugin.title_en) for kind, plugin in discover().items()}


def settings_for(value: object) -> NotifierSettings:
    """A settings block as its own kind's model.

    Raises:
        ValueError: no such kind; the sentence names the kinds there are.
        pydantic.ValidationError: not that kind's model.
    """
    if isinstance(value, NotifierSettings):
        return value
    kind = value.get("kind") if isinstance(value, Mapping) else None
    plugin = discover().get(str(kind))
    if plugin is None:
        raise ValueError(f"unknown notifier kind {kind!r}: known kinds are {', '.join(discover())}")
    model: NotifierSettings = plugin.settings.model_validate(value)
    return model


def build(settings: NotifierSettings) -> Notifier:
    """The notifier that a settings block describes."""
    notifier: Notifier = discover()[settings.kind].build(settings)
    return notifier


def library(name: str, kind: str) -> ModuleType:
    """A provider's own library, imported when its notifier is built: who does not use it need not have it.

    Raises:
        SettingsError: it is not installed; the sentence says how it would be.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise SettingsError(
            f"notifier {kind}: the library {name.partition('.')[0]} is missing: install jangteo[notifiers]"
        ) from error


def _load(name: str) -> AnyPlugin:
    try:
        plugin = getattr(importlib.import_module(name), "PLUGIN", None)
    except ImportError as error:
        raise BrokenNotifierError(f"notifier {name}: does not import: {error}") from error
    if not isinstance(plugin, NotifierPlugin):
        raise BrokenNotifierError(f"notifier {name}: has no PLUGIN of type NotifierPlugin")
    literal = get_args(plugin.settings.model_fields["kind"].annotation)
    if literal != (plugin.kind,):
        raise BrokenNotifierError(f"notifier {name}: its settings' kind must be Literal[{plugin.kind!r}]")
    return plugin
