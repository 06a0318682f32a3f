"""The command line of the training: `python -m tools.fire train --data DIR`."""

import argparse
import sys
from pathlib import Path

from runtime.errors import FatalError
from tools.fire.fit import Plan
from tools.fire.train import Order, quick, train

_MODELS = Path(__file__).parents[2] / "edge" / "cameras" / "models"
_CLIPS = 700
_CROP_STEPS, _FRAME_STEPS = 6000, 4500


def main(arguments: list[str]) -> int:
    """Train as the arguments say; 2 with one sentence on stderr when that cannot be done."""
    given = _parser().parse_args(arguments)
    command = f"scripts/train --data DIR{' --material DIR' if given.material else ''} --seed {given.seed}"
    plans = Plan(steps=_CROP_STEPS), Plan(steps=_FRAME_STEPS, batch=64)
    order = Order(given.data, given.material, given.out, given.seed, _CLIPS, *plans, command)
    try:
        train(quick(order) if given.quick else order, lambda words: print(words, file=sys.stderr, flush=True))
    except FatalError as error:
        print(f"train: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.fire", description="Train the fire camera's networks.")
    verb = parser.add_subparsers(required=True, metavar="VERB").add_parser(
        "train", help="train, export, evaluate, write the card"
    )
    verb.add_argument(
        "--data", type=Path, required=True, help="folder with labels.csv and pictures of fire; evaluated on, too"
    )
    verb.add_argument(
        "--material", type=Path, help="folder of the same shape with pictures without fire (tools.fire.material)"
    )
    verb.add_argument("--out", type=Path, default=_MODELS, help="where the networks and their card go")
    verb.add_argument("--seed", type=int, default=1, help="chooses what is held out, drawn and rendered")
    verb.add_argument(
        "--quick", action="store_true", help="under a minute: shows that everything works, trains nothing useful"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
