"""The parts of the training that need torch, which the ordinary environment does not have."""

import hashlib
import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from edge.cameras.crops import blob_of
from edge.cameras.network import FireNetworks
from tests.tools.fire.test_samples import stock
from tools.fire.layers import CROP_LAYERS
from tools.fire.samples import Sampler, crop_recipes

torch = pytest.importorskip("torch", reason="torch is only in .venv-training, where scripts/train makes it")
pytest.importorskip("onnx", reason="onnx is only in .venv-training, where scripts/train makes it")
main = import_module("tools.fire.__main__").main
export, fitting, nets = (import_module(f"tools.fire.{name}") for name in ("export", "fit", "net"))


def test_the_exported_network_answers_as_torch_does(tmp_path: Path) -> None:
    torch.manual_seed(3)
    net = nets.network(CROP_LAYERS, dropout=0.1)
    net(torch.randn(64, 3, 64, 64))  # so that batch normalisation has something to fold
    net.eval()
    digest = export.write_model(nets.folded(net), 64, tmp_path / "net.onnx")
    assert digest == hashlib.sha256((tmp_path / "net.onnx").read_bytes()).hexdigest()
    blob = blob_of(list(np.random.default_rng(1).integers(0, 256, (8, 64, 64, 3), np.uint8)))
    with torch.no_grad():
        ours = net(torch.from_numpy(blob)).numpy()
    assert np.abs(ours - export.logits_of(tmp_path / "net.onnx", blob)).max() < export.DIFFERENCE_MAX


def test_the_same_seed_gives_the_same_weights() -> None:
    torch.set_num_threads(1)
    plan = fitting.Plan(steps=4, batch=16, report_steps=4, validation_samples=32)
    sampler = Sampler(crop_recipes(stock()))
    fitted = [fitting.fit(CROP_LAYERS, sampler, sampler, plan, seed, lambda _: None).net for seed in (1, 1, 2)]
    weights = [torch.cat([values.flatten() for values in net.parameters()]) for net in fitted]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_quick_run_goes_all_the_way_down_to_opencv(tmp_path: Path, data_dir: Path) -> None:
    """On eight pictures of fire whose flames are marked, and eight others that may not be learned from."""
    data = tmp_path / "data"
    lines = (data_dir / "fire" / "labels.csv").read_text(encoding="utf-8").splitlines()
    chosen = [n for n in lines if n.startswith("images/fire")][:24:3] + [n for n in lines if "images/nofire" in n][:8]
    for line in chosen:
        name = line.split(",")[0]
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data_dir / "fire" / name, data / name)
    (data / "labels.csv").write_text("\n".join([lines[0], *chosen]) + "\n", encoding="utf-8")
    assert main(["train", "--data", str(data), "--out", str(tmp_path / "out"), "--quick"]) == 0
    looks = FireNetworks(tmp_path / "out").look_at_whole(np.full((120, 160, 3), 90, np.uint8))
    assert 0.0 <= looks.flame <= 1.0
    text = (tmp_path / "out" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "8 pictures: none stated" in text


def test_a_folder_without_labels_is_refused_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--data", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "labels.csv is missing" in capsys.readouterr().err.splitlines()[-1]
