"""The shared colours keep their promise: every text is readable on its ground, in light and in dark."""

import re

import pytest

from brand import STATIC

CONTRAST_MIN = 4.5  # WCAG 2.2, success criterion 1.4.3, level AA
STATES = ("free", "occupied", "unknown", "closed", "warning", "fire", "accent")
PAIRS = [
    *((ink, ground) for ink in ("ink", "ink-soft", "ink-faint") for ground in ("ground", "surface", "surface-sunken")),
    *((state, f"{state}-ground") for state in STATES),
    *((state, "surface") for state in STATES),
    *((state, "ground") for state in STATES),
    *((f"on-{state}", state) for state in STATES),
]


def blocks() -> dict[str, dict[str, str]]:
    css = re.sub(r"/\*.*?\*/", "", (STATIC / "tokens.css").read_text(encoding="utf-8"), flags=re.DOTALL)
    found = {}
    for selector, body in re.findall(r"(:root[^{]*)\{([^}]*)\}", css):
        found[selector.strip()] = dict(re.findall(r"--([a-z-]+):\s*(#[0-9a-f]{6});", body))
    return found


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [":root", ':root:not([data-theme="light"])', ':root[data-theme="dark"]'])
def test_every_text_is_readable_on_its_ground(theme: str) -> None:
    colours = blocks()[theme]
    poor = {
        f"{text} on {ground}": round(contrast(colours[text], colours[ground]), 2)
        for text, ground in PAIRS
        if contrast(colours[text], colours[ground]) < CONTRAST_MIN
    }
    assert poor == {}


def test_dark_by_preference_and_dark_by_choice_are_the_same() -> None:
    found = blocks()
    assert found[':root:not([data-theme="light"])'] == found[':root[data-theme="dark"]'] != {}


def test_no_two_states_share_their_mark() -> None:
    css = (STATIC / "tokens.css").read_text(encoding="utf-8")
    marks = re.findall(r'--mark-[a-z]+: "(.)";', css)
    assert len(marks) == len(set(marks)) == 5


def test_the_typeface_lies_beside_its_licence_and_nothing_comes_from_elsewhere() -> None:
    assert (STATIC / "pretendard-variable.woff2").read_bytes()[:4] == b"wOF2"
    assert "SIL OPEN FONT LICENSE" in (STATIC / "LICENSE-pretendard.txt").read_text(encoding="utf-8")
    for name in ("tokens.css", "logo.svg"):
        text = (STATIC / name).read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "//" not in re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
