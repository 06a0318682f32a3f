"""The model card, written from what a training run did: nothing in it is typed by hand but the known failures."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from tools.fire.evaluate import Figure
from tools.fire.marked import CLASSES

CARD_NAME = "MODEL_CARD.md"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One exported network."""

    file_name: str
    sha256: str
    side_px: int
    parameters: int
    multiplications: int
    bytes_size: int
    milliseconds: float
    steps: int
    seconds: float
    samples: Mapping[str, int]
    accuracy: Mapping[str, float]
    """By class, on samples of scenes that were held out."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a training run was given, and what came of it."""

    command: str
    seed: int
    sources: Counter[tuple[str, str, str]]
    """Pictures learned from, by source, licence and label."""
    refused: Counter[str]
    clips_rendered: int
    pictures_rendered: int
    marks: Mapping[str, int]
    models: Sequence[ModelFacts]
    figures: Sequence[Figure]
    versions: Mapping[str, str]


def card(facts: RunFacts) -> str:
    """The card in Markdown."""
    parts = [
        "# The fire camera's networks",
        "Written by the training run; change that or `tools/fire/known_failures.md`, not this file.",
        _purpose(),
        _models(facts),
        _sources(facts),
        _samples(facts),
        _figures(facts.figures),
        "## Known failures\n\n" + files(__package__).joinpath("known_failures.md").read_text(encoding="utf-8").strip(),
        _command(facts),
    ]
    return "\n\n".join(parts) + "\n"


def _purpose() -> str:
    return (
        "Two small networks of our own, trained from nothing by `scripts/train`: one looks at the surroundings of a\n"
        "region that the gate found, one at the whole picture. Each says how much it looks like each of\n"
        f"{', '.join(CLASSES)}. They supplement a certified fire-alarm system and replace no part of one; alone they\n"
        "decide nothing (see docs/decisions/fire-detector.md)."
    )


def _models(facts: RunFacts) -> str:
    rows = [
        f"| `{m.file_name}` | {m.side_px} x {m.side_px} | {m.parameters:,} | {m.multiplications / 1e6:.1f} million | "
        f"{m.bytes_size / 1e6:.2f} MB | {m.milliseconds:.2f} | `{m.sha256}` |"
        for m in facts.models
    ]
    head = (
        "## The files\n\n"
        "Input: pictures x 3 (blue, green, red) x side x side, level / 255 - 0.5 (`edge/cameras/crops.py`).\n"
        f"Output: logits of {', '.join(CLASSES)}. The milliseconds are one picture's, in OpenCV on one core of the\n"
        "machine that trained.\n\n"
        "| file | input | parameters | multiplications | size | ms | SHA-256 |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
    )
    return head + "\n".join(rows)


def _sources(facts: RunFacts) -> str:
    lines = [
        f"| {source} | {licence} | {label} | {count} |"
        for (source, licence, label), count in sorted(facts.sources.items(), key=lambda item: (-item[1], item[0]))
    ]
    refused = [f"- {count} pictures: {licence}" for licence, count in facts.refused.most_common()] or ["- none"]
    marks = ", ".join(f"{count} {verdict}" for verdict, count in sorted(facts.marks.items()))
    return "\n".join(
        [
            "## What was learned from",
            "",
            "| source | licence | shows | pictures |",
            "| --- | --- | --- | --- |",
            *lines,
            _rendered_row(facts),
            "",
            f"Regions marked in the real pictures: {marks}.",
            "Those in the pictures of fire were judged one by one (`tools/fire/regions.csv`).",
            "",
            "Left out of the training because their licence does not allow it:",
            "",
            *refused,
        ]
    )


def _rendered_row(facts: RunFacts) -> str:
    shows = "flames, smoke, look-alikes"
    return f"| `tools/fire/render`, {facts.clips_rendered} clips | ours | {shows} | {facts.pictures_rendered} |"


def _samples(facts: RunFacts) -> str:
    lines = [
        f"| `{m.file_name}` | {name} | {count:,} |" for m in facts.models for name, count in sorted(m.samples.items())
    ]
    held_out = [
        f"| `{m.file_name}` | " + " | ".join(f"{m.accuracy.get(name, float('nan')):.3f}" for name in CLASSES) + " |"
        for m in facts.models
    ]
    return "\n".join(
        [
            "## Samples drawn",
            "",
            "| network | made from | samples |",
            "| --- | --- | --- |",
            *lines,
            "",
            "Named rightly, of samples from scenes that were held out:",
            "",
            f"| network | {' | '.join(CLASSES)} |",
            "| --- |" + " --- |" * len(CLASSES),
            *held_out,
        ]
    )


def _figures(figures: Sequence[Figure]) -> str:
    if not figures:
        return "## Figures\n\nThe folder held nothing to evaluate on."
    lines = [
        f"| {f.set_name} | {f.looked_with} | {f.fires} | {f.others} | {f.area:.3f} | {f.found:.0%} | {f.false:.0%} |"
        for f in figures
    ]
    return "\n".join(
        [
            "## Figures",
            "",
            "Flame against anything else, single pictures without any memory; nothing here was learned from. A still",
            "counts by its best flame-coloured region, a clip by the median over two pictures a second.",
            "",
            "| set | looked at | fires | others | area under ROC | called fire, of fires | called fire, of others |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *lines,
        ]
    )


def _command(facts: RunFacts) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    times = ", ".join(f"`{m.file_name}` {m.steps} steps in {m.seconds / 60:.0f} min" for m in facts.models)
    return f"## How to make them again\n\n    {facts.command}\n\nSeed {facts.seed}; {times}; {versions}."
