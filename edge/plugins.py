"""Sensor plugins: each file of `edge/sensors/` is one, found by being there. A broken one fails loudly, by name."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args

import edge.sensors
from contract.ids import Id
from edge.gpio import Gpio
from edge.ports import Sensor
from runtime.clock import Clock
from runtime.errors import FatalError
from runtime.settings_file import SettingsModel


class BrokenPluginError(FatalError):
    """A file of `edge/sensors/` that is not a plugin; the sentence names the file and what is wrong."""


class SensorSettings(SettingsModel):
    """What every sensor's settings have. A plugin's own model narrows `kind` to its literal and adds its pins."""

    kind: str
    name: Id
    zone: Id

    def pins(self) -> Mapping[str, int]:
        """The GPIO pins this sensor claims: key in the settings to BCM number."""
        return {}


@dataclass(frozen=True, slots=True)
class SensorContext:
    """What a plugin may use: the pins, the time, and a folder of its own for what must outlive a restart."""

    gpio: Gpio
    clock: Clock
    state_dir: Path


S = TypeVar("S", bound=SensorSettings)


@dataclass(frozen=True, slots=True)
class SensorPlugin(Generic[S]):
    """One kind of sensor. `build` gets all sensors of its kind at once, so that they may share a thread.

    `build` touches no hardware and returns one sensor for each settings block, in their order. `subject` is what its
    readings observe, as their `SUBJECT_FIELD` says. `count_max` says how many of this kind one device can have.
    """

    kind: str
    subject: str
    settings: type[S]
    build: Callable[[Sequence[S], SensorContext], Sequence[Sensor]]
    count_max: int = 64


# Any: a mapping over plugins of different settings types; `build` gets back only what its own model validated.
AnyPlugin = SensorPlugin[Any]


@cache
def discover() -> Mapping[str, AnyPlugin]:
    """All plugins by kind, in the order of their file names.

    Raises:
        BrokenPluginError: a file does not import, has no `PLUGIN`, or its `PLUGIN` does not fit itself.
    """
    found: dict[str, AnyPlugin] = {}
    for module in sorted(pkgutil.iter_modules(edge.sensors.__path__), key=lambda one: one.name):
        plugin = _load(f"{edge.sensors.__name__}.{module.name}")
        if plugin.kind in found:
            raise BrokenPluginError(f"sensor plugin {module.name}: kind {plugin.kind!r} is taken by another plugin")
        found[plugin.kind] = plugin
    return found


def _load(name: str) -> AnyPlugin:
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise BrokenPluginError(f"sensor plugin {name} cannot be imported: {error!r}") from error
    plugin = getattr(module, "PLUGIN", None)
    if not isinstance(plugin, SensorPlugin):
        raise BrokenPluginError(f"sensor plugin {name} has no PLUGIN = SensorPlugin(...)")
    kinds = get_args(plugin.settings.model_fields["kind"].annotation)
    if kinds != (plugin.kind,):
        raise BrokenPluginError(
            f"sensor plugin {name}: its settings need kind: Literal[{plugin.kind!r}], they have {kinds!r}"
        )
    return plugin
