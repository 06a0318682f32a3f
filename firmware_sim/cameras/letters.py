"""Hangul for neon tubes: jamo as strokes, put together to syllables. OpenCV's own fonts have none."""

from collections.abc import Sequence

Stroke = Sequence[tuple[float, float]]
"""Corners of a tube, in a unit square from the top left."""

_RING: Stroke = [(0.5, 0.1), (0.82, 0.28), (0.82, 0.72), (0.5, 0.9), (0.18, 0.72), (0.18, 0.28), (0.5, 0.1)]

_JAMO: dict[str, tuple[Stroke, ...]] = {
    "ㄱ": ([(0.1, 0.15), (0.85, 0.15), (0.75, 0.95)],),
    "ㄷ": ([(0.85, 0.15), (0.15, 0.15), (0.15, 0.85), (0.9, 0.85)],),
    "ㅁ": ([(0.15, 0.15), (0.85, 0.15), (0.85, 0.85), (0.15, 0.85), (0.15, 0.15)],),
    "ㅅ": ([(0.5, 0.1), (0.1, 0.9)], [(0.5, 0.35), (0.92, 0.9)]),
    "ㅇ": (_RING,),
    "ㅈ": ([(0.1, 0.12), (0.9, 0.12)], [(0.5, 0.12), (0.1, 0.92)], [(0.5, 0.4), (0.92, 0.92)]),
    "ㄸ": (
        [(0.45, 0.15), (0.08, 0.15), (0.08, 0.85), (0.48, 0.85)],
        [(0.92, 0.15), (0.55, 0.15), (0.55, 0.85), (0.95, 0.85)],
    ),
    "ㅏ": ([(0.35, 0.0), (0.35, 1.0)], [(0.35, 0.48), (0.85, 0.48)]),
    "ㅓ": ([(0.7, 0.0), (0.7, 1.0)], [(0.1, 0.48), (0.7, 0.48)]),
    "ㅣ": ([(0.5, 0.0), (0.5, 1.0)],),
    "ㅜ": ([(0.0, 0.3), (1.0, 0.3)], [(0.5, 0.3), (0.5, 1.0)]),
}

Box = tuple[float, float, float, float]

_SYLLABLES: dict[str, tuple[tuple[str, Box], ...]] = {
    "시": (("ㅅ", (0.02, 0.1, 0.6, 0.8)), ("ㅣ", (0.62, 0.02, 0.36, 0.96))),
    "장": (("ㅈ", (0.02, 0.02, 0.55, 0.5)), ("ㅏ", (0.58, 0.0, 0.42, 0.55)), ("ㅇ", (0.2, 0.56, 0.6, 0.44))),
    "국": (("ㄱ", (0.12, 0.0, 0.76, 0.36)), ("ㅜ", (0.0, 0.36, 1.0, 0.34)), ("ㄱ", (0.12, 0.66, 0.76, 0.34))),
    "수": (("ㅅ", (0.1, 0.0, 0.8, 0.52)), ("ㅜ", (0.0, 0.48, 1.0, 0.52))),
    "떡": (("ㄸ", (0.0, 0.04, 0.62, 0.5)), ("ㅓ", (0.6, 0.0, 0.36, 0.58)), ("ㄱ", (0.2, 0.62, 0.66, 0.38))),
}


def strokes(word: str) -> list[Stroke]:
    """The tubes of `word`, syllables one below the other, in a box one wide and `len(word)` high.

    Raises:
        KeyError: a syllable that no sign has yet.
    """
    return [
        [(left + x * width, row * 1.12 + top + y * height) for x, y in tube]
        for row, syllable in enumerate(word)
        for jamo, (left, top, width, height) in _SYLLABLES[syllable]
        for tube in _JAMO[jamo]
    ]
