"""The smallest models that OpenCV runs, written byte by byte: their answers are the means of the three channels."""

import hashlib
from pathlib import Path

from edge.cameras.network import CROP_MODEL, FRAME_MODEL


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _text(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _value(name: bytes, shape: tuple[int, ...]) -> bytes:
    dimensions = b"".join(_text(1, _number(1, length)) for length in shape)
    tensor = _number(1, 1) + _text(2, dimensions)
    return _text(1, name) + _text(2, _text(1, tensor))


def _node(operation: bytes, taken: bytes, given: bytes) -> bytes:
    return _text(1, taken) + _text(2, given) + _text(4, operation)


def channel_means(side_px: int, first: bytes = b"GlobalAveragePool") -> bytes:
    """An ONNX model: 1 x 3 x side x side in, the means of the channels out; or another `first` operation."""
    graph = _text(1, _node(first, b"x", b"m")) + _text(1, _node(b"Flatten", b"m", b"y")) + _text(2, b"g")
    graph += _text(11, _value(b"x", (1, 3, side_px, side_px))) + _text(12, _value(b"y", (1, 3)))
    return _number(1, 8) + _text(8, _number(2, 13)) + _text(7, graph)


def write_model(path: Path, content: bytes) -> None:
    """The model and, beside it, its SHA-256 as `sha256sum` writes it."""
    path.write_bytes(content)
    path.with_name(path.name + ".sha256").write_text(f"{hashlib.sha256(content).hexdigest()}  {path.name}\n")


def write_models(folder: Path) -> Path:
    write_model(folder / CROP_MODEL, channel_means(64))
    write_model(folder / FRAME_MODEL, channel_means(96))
    return folder
