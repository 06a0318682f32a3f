"""Writes a trained network as ONNX with its SHA-256 beside it, and holds OpenCV's answers against torch's."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tools.fire.marked import CLASSES
from tools.fire.net import Weights

OPSET = 13
DIFFERENCE_MAX = 1e-3
"""The most that a logit of OpenCV may differ from one of torch."""

_IR_VERSION = 8


def write_model(weights: Weights, side_px: int, path: Path) -> str:
    """Write `path` and `<path>.sha256`; returns the SHA-256 in hexadecimal."""
    nodes: list[onnx.NodeProto] = []
    values: list[onnx.TensorProto] = []
    name = "pictures"
    for index, layer in enumerate(weights.convolutions):
        values += [_value(layer.weights, f"weights_{index}"), _value(layer.bias, f"bias_{index}")]
        inputs, summed = [name, f"weights_{index}", f"bias_{index}"], f"sum_{index}"
        name = f"layer_{index}"
        shape = {"kernel_shape": [3, 3], "strides": [layer.stride] * 2, "pads": [1, 1, 1, 1]}
        nodes += [helper.make_node("Conv", inputs, [summed], **shape), helper.make_node("Relu", [summed], [name])]
    values += [_value(weights.last_weights, "weights_last"), _value(weights.last_bias, "bias_last")]
    nodes += [
        helper.make_node("GlobalAveragePool", [name], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights_last", "bias_last"], ["logits"], transB=1),
    ]
    pictures = helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["n", 3, side_px, side_px])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", len(CLASSES)])
    graph = helper.make_graph(nodes, path.stem, [pictures], [logits], values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="jangteo")
    model.ir_version = _IR_VERSION
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString(deterministic=True))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(f"{path.name}.sha256").write_text(f"{digest}  {path.name}\n", encoding="ascii")
    return digest


def logits_of(path: Path, blob: NDArray[np.float32]) -> NDArray[np.float32]:
    """OpenCV's answer to pictures x 3 x side x side: pictures x classes."""
    net = cv2.dnn.readNetFromONNX(str(path))
    net.setInput(blob)
    return np.asarray(net.forward(), np.float32)


def _value(array: NDArray[np.float32], name: str) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ascontiguousarray(array), name)
