"""One training run: read, render, fit both networks, export, evaluate, and write the card."""

import multiprocessing as mp
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from multiprocessing.queues import Queue
from pathlib import Path
from queue import Empty

import cv2
import numpy as np
import torch

from edge.cameras.crops import CROP_PX, FRAME_PX, blob_of
from edge.cameras.network import CROP_MODEL, FRAME_MODEL
from runtime.errors import FatalError
from tools.fire.card import CARD_NAME, ModelFacts, RunFacts, card
from tools.fire.dataset import Split, split
from tools.fire.evaluate import figures
from tools.fire.export import DIFFERENCE_MAX, logits_of, write_model
from tools.fire.fit import Fitted, Plan, fit
from tools.fire.folder import Folder, read_folder
from tools.fire.layers import CROP_LAYERS, FRAME_LAYERS, Layer, multiplications
from tools.fire.marked import Marked
from tools.fire.net import folded
from tools.fire.pictures import read_pictures
from tools.fire.rendered import render_all
from tools.fire.samples import Recipe, Sampler, Stock, crop_recipes, frame_recipes

Say = Callable[[str], None]

_PARITY_SAMPLES = 64
_LOOK_S = 2.0
_TIMED_RUNS = 50


@dataclass(frozen=True, slots=True)
class Order:
    """What to train from, and how long. `material` is a second folder like `data`."""

    data: Path
    material: Path | None
    out: Path
    seed: int
    clips: int
    crop_plan: Plan
    frame_plan: Plan
    command: str


@dataclass(frozen=True, slots=True)
class _Kind:
    file_name: str
    side_px: int
    layers: Sequence[Layer]
    recipes: Callable[[Stock], list[Recipe]]
    plan: Plan


def train(order: Order, say: Say) -> None:
    """Train both networks and write them, their SHA-256 and the card into `order.out`.

    Raises `FatalError` when a folder cannot be used, has no licensed fire, or OpenCV's answers differ from torch's.
    """
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    cv2.setNumThreads(1)
    folders = [read_folder(folder) for folder in (order.data, order.material) if folder is not None]
    real = [picture for folder in folders for picture in read_pictures(folder)]
    if not any(picture.of("flame") for picture in real):
        raise FatalError(
            f"{order.data} holds no licensed picture of fire whose flames are marked; nothing can be learned"
        )
    say(f"{len(real)} licensed pictures; rendering {order.clips} clips")
    drawn = render_all(order.seed, order.clips, split(real, order.seed).train.clear, say)
    parts = split([*real, *drawn], order.seed)
    models = _models(parts, order, say)
    learned = frozenset(str(row.file) for folder in folders for row in folder.rows)
    held_out = frozenset(_held_out_files(folders, real, parts))
    seen = figures(order.data, order.out, learned - held_out, say)
    facts = RunFacts(
        command=order.command,
        seed=order.seed,
        sources=_sources(folders),
        refused=sum((folder.refused for folder in folders), Counter[str]()),
        clips_rendered=order.clips,
        pictures_rendered=len(drawn),
        marks=Counter(mark.verdict for picture in real for mark in picture.marks),
        models=models,
        figures=seen,
        versions={name: version(name) for name in ("torch", "numpy", "opencv-python-headless")},
    )
    (order.out / CARD_NAME).write_text(card(facts), encoding="utf-8")
    say(f"written: {', '.join(model.file_name for model in models)} and {CARD_NAME} in {order.out}")


def _models(parts: Split, order: Order, say: Say) -> list[ModelFacts]:
    """Both networks at once, a process each. Raises `FatalError` when one of them fails; its error is printed."""
    fork = mp.get_context("fork")
    done: Queue[tuple[int, ModelFacts]] = fork.Queue()
    kinds = _kinds(order)
    fitting = [
        fork.Process(target=_fit_one, args=(index, kind, parts, order, say, done)) for index, kind in enumerate(kinds)
    ]
    for process in fitting:
        process.start()
    made: dict[int, ModelFacts] = {}
    while len(made) < len(kinds):
        try:
            index, facts = done.get(timeout=_LOOK_S)
            made[index] = facts
        except Empty:
            if any(process.exitcode for process in fitting):
                for process in fitting:
                    process.terminate()
                raise FatalError("a network could not be fitted; the error is above") from None
    for process in fitting:
        process.join()
    return [made[index] for index in range(len(kinds))]


def _fit_one(
    index: int, kind: "_Kind", parts: Split, order: Order, say: Say, done: "Queue[tuple[int, ModelFacts]]"
) -> None:
    done.put((index, _model(kind, parts, order, say)))


def _kinds(order: Order) -> tuple[_Kind, ...]:
    return (
        _Kind(CROP_MODEL, CROP_PX, CROP_LAYERS, crop_recipes, order.crop_plan),
        _Kind(FRAME_MODEL, FRAME_PX, FRAME_LAYERS, frame_recipes, order.frame_plan),
    )


def _model(kind: _Kind, parts: Split, order: Order, say: Say) -> ModelFacts:
    training, held_out = Sampler(kind.recipes(parts.train)), Sampler(kind.recipes(parts.held_out))
    made = fit(kind.layers, training, held_out, kind.plan, order.seed, lambda words: say(f"{kind.file_name}: {words}"))
    path = order.out / kind.file_name
    digest = write_model(folded(made.net), kind.side_px, path)
    pictures, _ = held_out.batch(np.random.default_rng(order.seed), _PARITY_SAMPLES)
    _check_parity(made, path, blob_of(pictures))
    say(f"{kind.file_name}: {path.stat().st_size / 1e6:.2f} MB, SHA-256 {digest}")
    return ModelFacts(
        file_name=kind.file_name,
        sha256=digest,
        side_px=kind.side_px,
        parameters=sum(parameter.numel() for parameter in made.net.parameters()),
        multiplications=multiplications(kind.layers, kind.side_px),
        bytes_size=path.stat().st_size,
        milliseconds=_milliseconds(path, kind.side_px),
        steps=kind.plan.steps,
        seconds=made.seconds,
        samples=training.expected(kind.plan.steps * kind.plan.batch),
        accuracy=made.accuracy,
    )


def _check_parity(made: Fitted, path: Path, blob: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> None:
    with torch.no_grad():
        ours = made.net(torch.from_numpy(blob)).numpy()
    difference = float(np.abs(ours - logits_of(path, blob)).max())
    if difference > DIFFERENCE_MAX:
        raise FatalError(
            f"{path}: OpenCV's answers differ from torch's by {difference:.2g}; at most {DIFFERENCE_MAX} may be"
        )


def _milliseconds(path: Path, side_px: int) -> float:
    """The median over fifty runs of one picture each, on one core."""
    net = cv2.dnn.readNetFromONNX(str(path))
    blob = blob_of([np.full((side_px, side_px, 3), 127, np.uint8)])
    taken_s = []
    for _ in range(_TIMED_RUNS):
        begun_s = time.perf_counter()
        net.setInput(blob)
        net.forward()
        taken_s.append(time.perf_counter() - begun_s)
    return float(np.median(taken_s)) * 1000.0


def _held_out_files(folders: Sequence[Folder], real: Sequence[Marked], parts: Split) -> list[str]:
    rows = [row for folder in folders for row in folder.rows]
    kept = {id(picture) for picture in (*parts.held_out.fire, *parts.held_out.clear)}
    return [str(row.file) for row, picture in zip(rows, real, strict=True) if id(picture) in kept]


def _sources(folders: Sequence[Folder]) -> Counter[tuple[str, str, str]]:
    return Counter(
        (row.source, row.licence, "fire" if row.is_fire else "no fire") for folder in folders for row in folder.rows
    )


def quick(order: Order) -> Order:
    """The same run made so short that it only shows that everything works: no model of it is worth keeping."""
    short = {"steps": 24, "batch": 32, "report_steps": 12, "validation_samples": 64}
    return replace(
        order,
        clips=min(order.clips, 6),
        crop_plan=replace(order.crop_plan, **short),
        frame_plan=replace(order.frame_plan, **short),
    )
