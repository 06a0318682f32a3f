"""`scripts/bench`: lists the benchmarks or runs one."""

import argparse
import ast
import importlib
import sys
from pathlib import Path

HERE = Path(__file__).parent


def names() -> list[str]:
    """The benchmarks: every module of this folder that has a `run`."""
    return sorted(path.stem for path in HERE.glob("*.py") if "\ndef run(" in path.read_text(encoding="utf-8"))


def what(name: str) -> str:
    """The first line of a benchmark's docstring."""
    tree = ast.parse((HERE / f"{name}.py").read_text(encoding="utf-8"))
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def main() -> int:
    """List, or run one."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="List the benchmarks, or run one.")
    parser.add_argument("name", nargs="?")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.name is None:
        width = max(len(name) for name in names())
        for name in names():
            print(f"{name:<{width}}  {what(name)}")
        return 0
    if arguments.name not in names():
        print(f"no benchmark {arguments.name!r}: there are {', '.join(names())}", file=sys.stderr)
        return 2
    importlib.import_module(f"benchmarks.{arguments.name}").run(arguments.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
