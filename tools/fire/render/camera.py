"""What a camera makes of linear light: exposure, white, noise, blur, the curve, a chain of sizes, compression."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.cameras.ports import Picture
from tools.fire.render.chance import happens
from tools.fire.render.fluid import Field
from tools.fire.render.light import Canvas, spread

_CURVE_STEPS = 4096
_BLOCK_PX = 8
_TEXT_SCALE = 0.4
_GRAIN_PX = 64
_LINEAR_TO = 0.0031308
"""Light up to which the sRGB curve (IEC 61966-2-1) is a straight line."""


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera and how it was set that day; drawn once per clip by `camera`."""

    exposure: float
    drift: float
    drift_pace: float
    white: tuple[float, float, float]
    white_drift: float
    gamma: float
    shoulder: float
    colour: float
    veil: float
    vignette: float
    defocus_px: float
    sharpening: float
    noise: float
    shake_px: float
    shrink: float
    quality: int
    chroma_halved: bool
    hold_levels: float
    combed: bool
    bands: float
    stamp: str


def camera(chance: np.random.Generator) -> Camera:
    """Some camera."""

    def now_and_then(share: float, low: float, high: float) -> float:
        return float(chance.uniform(low, high)) if happens(chance, share) else 0.0

    warmth = float(np.exp(chance.normal(0.0, 0.12)))
    return Camera(
        exposure=float(np.exp2(chance.normal(0.0, 0.7))),
        drift=now_and_then(0.2, 0.03, 0.2),
        drift_pace=float(chance.uniform(0.5, 3.0)),
        white=(1.0 / warmth, float(np.exp(chance.normal(0.0, 0.04))), warmth),
        white_drift=now_and_then(0.15, 0.02, 0.12),
        gamma=float(chance.uniform(0.8, 1.25)),
        shoulder=now_and_then(0.5, 0.1, 0.6),
        colour=float(chance.uniform(0.7, 1.35)),
        veil=now_and_then(0.25, 0.01, 0.08),
        vignette=now_and_then(0.3, 0.1, 0.5),
        defocus_px=now_and_then(0.4, 0.4, 2.0),
        sharpening=now_and_then(0.4, 0.2, 1.2),
        noise=float(np.exp(chance.uniform(np.log(0.002), np.log(0.05)))),
        shake_px=now_and_then(0.2, 0.2, 1.8),
        shrink=float(chance.choice((1.0, 1.0, 1.0, 0.75, 0.5))),
        quality=int(chance.integers(20, 96)),
        chroma_halved=happens(chance, 0.8),
        hold_levels=now_and_then(0.5, 1.0, 4.0),
        combed=happens(chance, 0.06),
        bands=now_and_then(0.1, 0.03, 0.2),
        stamp=_stamp(chance) if happens(chance, 0.2) else "",
    )


class Recording:
    """Takes the pictures of one clip in order, because compression and interlacing remember the one before."""

    def __init__(self, with_camera: Camera, chance: np.random.Generator, size: tuple[int, int]) -> None:
        self._camera, self._chance = with_camera, chance
        self._curve = _curve(with_camera)
        self._edges = _vignette(size, with_camera.vignette)
        self._phase = float(chance.uniform(0.0, 6.28))
        self._before: Picture | None = None
        self._held: Picture | None = None
        self._grain: Canvas | None = None

    def picture(self, light: Canvas, time_s: float) -> Picture:
        """The picture of `light`, which is used up."""
        seen = self._sensed(light, time_s)
        taken = self._curve[np.asarray(np.clip(seen, 0.0, 1.0) * (_CURVE_STEPS - 1), np.uint16)]
        if self._camera.sharpening:
            soft = cv2.GaussianBlur(taken, (0, 0), 1.2)
            taken = np.asarray(
                cv2.addWeighted(taken, 1.0 + self._camera.sharpening, soft, -self._camera.sharpening, 0.0), np.uint8
            )
        if self._camera.combed:
            taken = self._comb(taken)
        if self._camera.stamp:
            _write(taken, self._camera.stamp, time_s)
        return self._compressed(_through_sizes(taken, self._camera.shrink))

    def _sensed(self, light: Canvas, time_s: float) -> Canvas:
        one = self._camera
        if one.defocus_px:
            light = np.asarray(cv2.GaussianBlur(light, (0, 0), one.defocus_px), np.float32)
        if one.veil:
            light = light + np.float32(one.veil) * (light.mean() + spread(np.minimum(light, 4.0), 40.0))
        wave = float(np.sin(one.drift_pace * time_s + self._phase))
        gain = one.exposure * (1.0 + one.drift * wave)
        warm = 1.0 + one.white_drift * wave
        white = np.array([one.white[0] / warm, one.white[1], one.white[2] * warm], np.float32)
        light = light * (np.float32(gain) * white)
        if one.vignette:
            light *= self._edges[:, :, None]
        if one.bands:
            rows = np.sin(np.arange(len(light)) / 30.0 + 9.0 * time_s)
            light *= (1.0 + one.bands * rows).astype(np.float32)[:, None, None]
        if one.colour != 1.0:
            light = np.asarray(cv2.transform(light, _saturation(one.colour)), np.float32)
        np.clip(light, 0.0, 4.0, out=light)
        level = cv2.sqrt(light * np.float32(0.25) + np.float32(0.004))
        return np.asarray(light + np.float32(one.noise) * level * self._noise(light.shape), np.float32)

    def _noise(self, shape: tuple[int, ...]) -> Canvas:
        """Grain, somewhat coarser than a pixel: another part of one field in each picture."""
        if self._grain is None:
            field = self._chance.standard_normal((shape[0] + _GRAIN_PX, shape[1] + _GRAIN_PX, 3), np.float32)
            self._grain = np.asarray(cv2.GaussianBlur(field, (3, 3), 0.6) * 1.6, np.float32)
        top, left = (int(part) for part in self._chance.integers(_GRAIN_PX, size=2))
        return self._grain[top : top + shape[0], left : left + shape[1]]

    def _comb(self, taken: Picture) -> Picture:
        woven = taken.copy()
        if self._before is not None:
            woven[1::2] = self._before[1::2]
        self._before = taken
        return woven

    def _compressed(self, taken: Picture) -> Picture:
        """JPEG; and, as video codecs do, blocks that hardly changed stay as they were."""
        options = [cv2.IMWRITE_JPEG_QUALITY, self._camera.quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR]
        options.append(
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420 if self._camera.chroma_halved else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
        )
        out = np.asarray(cv2.imdecode(cv2.imencode(".jpg", taken, options)[1], cv2.IMREAD_COLOR), np.uint8)
        if not self._camera.hold_levels:
            return out
        if self._held is not None:
            still = _still_blocks(out, self._held, self._camera.hold_levels)
            np.copyto(out, self._held, where=still[:, :, None])
        self._held = out.copy()
        return out


def _still_blocks(now: Picture, before: Picture, levels: float) -> NDArray[np.bool_]:
    height, width = now.shape[:2]
    blue, green, red = cv2.split(cv2.absdiff(now, before))
    change = np.maximum(np.maximum(blue, green), red).astype(np.float32)
    blocks = max(1, width // _BLOCK_PX), max(1, height // _BLOCK_PX)
    mean = cv2.resize(change, blocks, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(mean, (width, height), interpolation=cv2.INTER_NEAREST) < levels, np.bool_)


def _saturation(colour: float) -> Canvas:
    """A matrix that pulls channels away from their mean, or towards it."""
    return np.asarray(colour * np.eye(3) + (1.0 - colour) / 3.0, np.float32)


def _curve(one: Camera) -> NDArray[np.uint8]:
    """Light to levels: a shoulder that squeezes highlights, then the sRGB curve bent by the camera's gamma."""
    light = np.linspace(0.0, 1.0, _CURVE_STEPS)
    light = light * (1.0 + one.shoulder) / (light * one.shoulder + 1.0)
    level = np.where(light <= _LINEAR_TO, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1.0 / 2.4) - 0.055)
    return np.asarray(np.round(np.clip(level, 0.0, 1.0) ** one.gamma * 255.0), np.uint8)


def _vignette(size: tuple[int, int], depth: float) -> Field:
    rows, columns = np.ogrid[-1.0 : 1.0 : size[1] * 1j, -1.0 : 1.0 : size[0] * 1j]
    return np.asarray(1.0 - depth * (rows**2 + columns**2) / 2.0, np.float32)


def _through_sizes(taken: Picture, shrink: float) -> Picture:
    if shrink >= 1.0:
        return taken
    height, width = taken.shape[:2]
    small = cv2.resize(taken, (round(width * shrink), round(height * shrink)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _stamp(chance: np.random.Generator) -> str:
    day = f"20{chance.integers(18, 27)}-{chance.integers(1, 13):02d}-{chance.integers(1, 29):02d}"
    return f"{day} {chance.integers(24):02d}:{chance.integers(60):02d}:"


def _write(taken: Picture, stamp: str, time_s: float) -> None:
    text, where = f"{stamp}{int(time_s) + 10:02d}", (4, 12)
    cv2.putText(taken, text, where, cv2.FONT_HERSHEY_SIMPLEX, _TEXT_SCALE, (0, 0, 0), 2)
    cv2.putText(taken, text, where, cv2.FONT_HERSHEY_SIMPLEX, _TEXT_SCALE, (255, 255, 255), 1)
