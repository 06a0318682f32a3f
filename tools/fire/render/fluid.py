"""A small two-dimensional fluid: hot gas that rises, folds and mixes, on a grid of cells.

Semi-Lagrangian advection and projection after Stam, "Stable fluids", SIGGRAPH 1999; vorticity confinement after
Fedkiw, Stam and Jensen, "Visual simulation of smoke", SIGGRAPH 2001. The grid is periodic; a sponge at its upper and
lower edge takes away what would come back.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]

SPONGE_SHARE = 0.12
_SMALL = 1e-5


@dataclass(frozen=True, slots=True)
class Forces:
    """What moves the gas, in cells and steps.

    `lift` is the acceleration of fully hot gas, `curl` the strength of the vorticity confinement, `wind` a draught
    that pulls the gas to the right, `swell` how much burning gas expands, `viscosity` the blur of a step in cells.
    """

    lift: float
    curl: float
    wind: float = 0.0
    swell: float = 0.0
    viscosity: float = 0.0


class Fluid:
    """Velocity on a grid of `height` x `width` cells (both even), rows counted from the top."""

    def __init__(self, height: int, width: int) -> None:
        self.across = np.zeros((height, width), np.float32)
        self.down = np.zeros((height, width), np.float32)
        self._rows, self._columns = (part.astype(np.float32) for part in np.mgrid[0:height, 0:width])
        self._along_x, self._along_y, self._inverse = _frequencies(height, width)
        self._sponge = _sponge(height)[:, None]

    def push(self, heat: Field, forces: Forces) -> None:
        """One step of the forces, `heat` being 0..1, and the pressure that keeps the gas from piling up."""
        self.down -= np.float32(forces.lift) * heat
        self.across += np.float32(forces.wind) * (np.float32(0.25) + heat)
        if forces.curl:
            self._confine(forces.curl)
        if forces.viscosity:
            self.across = _blurred(self.across, forces.viscosity)
            self.down = _blurred(self.down, forces.viscosity)
        self.across *= self._sponge
        self.down *= self._sponge
        self._project(heat * np.float32(forces.swell))

    def carry(self, *fields: Field) -> list[Field]:
        """`fields` moved along by one step, sharp (cubic); and the velocity itself."""
        from_x, from_y = self._columns - self.across, self._rows - self.down
        moved = [np.maximum(_taken(field, from_x, from_y, cv2.INTER_CUBIC), 0.0) for field in fields]
        self.across, self.down = (_taken(part, from_x, from_y, cv2.INTER_LINEAR) for part in (self.across, self.down))
        return moved

    def _confine(self, strength: float) -> None:
        spin = _slope(self.down, 1) - _slope(self.across, 0)
        size = np.abs(spin)
        slope_x, slope_y = _slope(size, 1), _slope(size, 0)
        length = np.sqrt(slope_x**2 + slope_y**2) + np.float32(_SMALL)
        self.across += np.float32(strength) * slope_y / length * spin
        self.down -= np.float32(strength) * slope_x / length * spin

    def _project(self, wanted: Field) -> None:
        across, down = np.fft.rfft2(self.across), np.fft.rfft2(self.down)
        excess = 1j * (self._along_x * across + self._along_y * down) - np.fft.rfft2(wanted)
        excess[0, 0] = 0.0
        pressure = excess * self._inverse
        shape = self.across.shape
        self.across = np.fft.irfft2(across + 1j * self._along_x * pressure, shape).astype(np.float32)
        self.down = np.fft.irfft2(down + 1j * self._along_y * pressure, shape).astype(np.float32)


def _frequencies(height: int, width: int) -> tuple[Field, Field, Field]:
    along_x = 2.0 * np.pi * np.fft.rfftfreq(width)[None, :]
    along_y = 2.0 * np.pi * np.fft.fftfreq(height)[:, None]
    squares = along_x**2 + along_y**2
    squares[0, 0] = 1.0
    return along_x.astype(np.float32), along_y.astype(np.float32), (1.0 / squares).astype(np.float32)


def _sponge(height: int) -> Field:
    deep = max(2, round(height * SPONGE_SHARE))
    kept = np.ones(height, np.float32)
    kept[:deep] = np.linspace(0.75, 1.0, deep)
    kept[-deep // 2 :] = np.linspace(1.0, 0.6, len(kept[-deep // 2 :]))
    return kept


def _slope(field: Field, axis: int) -> Field:
    return np.asarray(0.5 * (np.roll(field, -1, axis) - np.roll(field, 1, axis)), np.float32)


def _blurred(field: Field, cells: float) -> Field:
    return np.asarray(cv2.GaussianBlur(field, (0, 0), cells), np.float32)


def _taken(field: Field, from_x: Field, from_y: Field, how: int) -> Field:
    return np.asarray(cv2.remap(field, from_x, from_y, how, borderMode=cv2.BORDER_CONSTANT), np.float32)
