"""`scripts/bench`: lists the benchmarks or runs one."""

import argparse
import ast
import importlib
import sys
from pathlib import Path

HERE = Path(__file__).parent
ENTRIES = ("\ndef run(", "\ndef main(")


def files() -> dict[str, Path]:
    """The benchmarks by name: every module or package of this folder that has a `run` or a `main` of its own."""
    candidates = {path.stem: path for path in HERE.glob("*.py") if path.name != "__main__.py"}
    candidates |= {path.parent.name: path for path in HERE.glob("*/__init__.py")}
    texts = {name: path.read_text(encoding="utf-8") for name, path in candidates.items()}
    return {name: candidates[name] for name in sorted(texts) if any(entry in texts[name] for entry in ENTRIES)}


def what(path: Path) -> str:
    """The first line of a benchmark's docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def main() -> int:
    """List, or run one: `main(arguments)` where the benchmark has options of its own, else `run(seed)`."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="List the benchmarks, or run one.",
        add_help=len(sys.argv) <= 2,  # with a name, --help is the benchmark's
    )
    parser.add_argument("name", nargs="?")
    arguments, rest = parser.parse_known_args()
    found = files()
    if arguments.name is None:
        width = max(len(name) for name in found)
        for name, path in found.items():
            print(f"{name:<{width}}  {what(path)}")
        return 0
    name = arguments.name.replace("-", "_")
    if name not in found:
        print(f"no benchmark {arguments.name!r}: there are {', '.join(found)}", file=sys.stderr)
        return 2
    module = importlib.import_module(f"benchmarks.{name}")
    if hasattr(module, "main"):
        return int(module.main(rest))
    seeded = argparse.ArgumentParser(prog=f"scripts/bench {arguments.name}", description=module.__doc__)
    seeded.add_argument("--seed", type=int, default=1)
    module.run(seeded.parse_args(rest).seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
