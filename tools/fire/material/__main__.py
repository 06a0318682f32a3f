"""`python -m tools.fire.material --into DIR`: the licensed pictures to train on, fetched and made small."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from runtime.errors import JangteoError
from tools.fire.material.fetch import gather
from tools.fire.material.manifest import HERE, read_manifest


def main(arguments: Sequence[str] | None = None) -> int:
    """Gather the pictures; 0 when all are there, 1 when some archive could not be had (each said in one sentence)."""
    parser = argparse.ArgumentParser(prog="python -m tools.fire.material", description=__doc__)
    parser.add_argument("--into", type=Path, required=True, metavar="DIR", help="the training folder to fill")
    parser.add_argument("--list", type=Path, default=HERE, metavar="DIR", help="folder of archives.yaml, pictures.csv")
    chosen = parser.parse_args(arguments)
    try:
        manifest = read_manifest(chosen.list)
        failures = gather(manifest, chosen.into)
    except JangteoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stderr.writelines(f"{failure}\n" for failure in failures)
    there = [picture for picture in manifest.pictures if (chosen.into / picture.target).is_file()]
    labels = Counter(picture.label for picture in there)
    shown = ", ".join(f"{count} {label}" for label, count in sorted(labels.items()))
    sys.stdout.write(f"{len(there)} of {len(manifest.pictures)} pictures in {chosen.into} ({shown or 'none'})\n")
    return 1 if failures or len(there) < len(manifest.pictures) else 0


if __name__ == "__main__":
    sys.exit(main())
