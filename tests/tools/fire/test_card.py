import hashlib
from collections import Counter
from pathlib import Path

import pytest

from edge.cameras.network import CROP_MODEL, FRAME_MODEL, MODELS
from tools.fire.card import CARD_NAME, ModelFacts, RunFacts, card
from tools.fire.evaluate import Figure, area_under_curve

BYTES_MAX = 4_000_000


def facts() -> RunFacts:
    samples = {"flame: flames marked": 700, "other: look-alikes rendered": 300}
    accuracy = {"other": 0.91, "flame": 0.92, "smoke": 0.53}
    model = ModelFacts("fire_crop.onnx", "ab" * 32, 64, 191_000, 8_000_000, 760_000, 0.4, 10, 60.0, samples, accuracy)
    return RunFacts(
        command="scripts/train --data DIR",
        seed=7,
        sources=Counter({("a set", "MIT", "fire"): 479, ("a package", "CC0", "no fire"): 20}),
        refused=Counter({"none stated": 380}),
        clips_rendered=100,
        pictures_rendered=487,
        marks={"flame": 884},
        models=[model],
        figures=[Figure("clips", "crops", 37, 31, 0.987, 0.9, 0.1)],
        versions={"torch": "2.13.0"},
    )


def test_the_card_says_every_source_licence_refusal_figure_and_the_command() -> None:
    text = card(facts())
    for part in ("| a set | MIT | fire | 479 |", "| a package | CC0 | no fire | 20 |", "380 pictures: none stated"):
        assert part in text
    for part in ("ab" * 32, "0.987", "scripts/train --data DIR", "Seed 7", "torch 2.13.0", "| 0.910 | 0.920 | 0.530 |"):
        assert part in text
    assert "## Known failures" in text


def test_the_area_under_the_curve_counts_ties_half() -> None:
    assert area_under_curve([0.9, 0.8], [0.1, 0.2]) == 1.0
    assert area_under_curve([0.5], [0.5]) == 0.5
    assert area_under_curve([0.1], [0.9]) == 0.0


@pytest.mark.parametrize("name", [CROP_MODEL, FRAME_MODEL])
def test_the_shipped_networks_are_those_of_the_shipped_card(name: str) -> None:
    digest = hashlib.sha256((MODELS / name).read_bytes()).hexdigest()
    assert digest in (MODELS / CARD_NAME).read_text(encoding="utf-8")
    assert digest in (MODELS / f"{name}.sha256").read_text(encoding="ascii")


def test_the_networks_stay_small() -> None:
    assert sum(path.stat().st_size for path in Path(MODELS).glob("*.onnx")) < BYTES_MAX
