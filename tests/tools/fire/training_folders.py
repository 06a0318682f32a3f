"""Tiny training folders, made of plain shapes."""

import csv
from pathlib import Path

import cv2
import numpy as np

from edge.cameras.ports import Picture

COLUMNS = ("file", "label", "kind", "scene", "source", "licence", "tags")


def street(seed: int) -> Picture:
    """Some grey and brown boxes: no flame colour."""
    rng = np.random.default_rng(seed)
    image = np.full((180, 240, 3), 90, np.uint8)
    for _ in range(12):
        x, y = int(rng.integers(0, 200)), int(rng.integers(0, 150))
        level = int(rng.integers(30, 160))
        cv2.rectangle(image, (x, y), (x + 40, y + 30), (level, level, level), -1)
    return image


def write_folder(root: Path, rows: list[dict[str, str]], images: dict[str, Picture]) -> Path:
    (root / "images").mkdir(parents=True, exist_ok=True)
    for name, image in images.items():
        assert cv2.imwrite(str(root / name), image)
    with (root / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return root


def row(file: str, label: str, licence: str = "CC0", **more: str) -> dict[str, str]:
    blank = {"kind": "image", "scene": "", "source": "somewhere", "tags": ""}
    return {**blank, "file": file, "label": label, "licence": licence, **more}
