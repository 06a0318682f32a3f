"""Fuzz of ingest's decode: coverage-guided (atheris), a valid body of every channel to begin with, bounded in time."""

import argparse
import contextlib
import json
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.decode_target import SEEDS, TOPICS, DecodeTarget
from benchmarks.json_mutation import mutated

ROOT = Path(__file__).resolve().parent.parent
BODY_BYTES_MAX = 4096
KILL_AFTER_S = 60.0
SAID_MAX = 3000
ASCII_END = 128
OURS, NEW_TOPIC = 0.6, 0.05

_CHILD = """
import sys
from pathlib import Path
import atheris
with atheris.instrument_imports(include=["broker.ingest", "contract", "broker.series"]):
    from benchmarks.fuzz import fuzz
fuzz(Path(sys.argv[1]), sys.argv[2:])
"""


def main(arguments: Sequence[str]) -> int:
    """Fuzz for a while; print how many messages were tried; 0 if none broke what must hold."""
    parser = argparse.ArgumentParser(prog="scripts/bench fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    tried, said = run_fuzzer(given.seconds, given.seed)
    if tried is None:
        print(said)
        return 1
    print(f"{tried} messages in {given.seconds} s, seed {given.seed}: each counted, none broke anything")
    return 0


def run_fuzzer(seconds: int, seed: int) -> tuple[int | None, str]:
    """How many messages were tried, `None` if one broke something; and what the fuzzer said."""
    with tempfile.TemporaryDirectory(prefix="jangteo-fuzz-") as name:
        folder = Path(name)
        corpus = folder / "corpus"
        corpus.mkdir()
        for number, (place, body) in enumerate(SEEDS):
            (corpus / f"{number:02}").write_bytes(bytes([place]) + body)
        words = folder / "words.dict"
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in _words()), encoding="ascii")
        limits = [
            f"-dict={words}",
            f"-max_total_time={seconds}",
            f"-max_len={BODY_BYTES_MAX}",
            f"-seed={seed}",
            "-timeout=5",
        ]
        command = [sys.executable, "-c", _CHILD, str(folder), *limits, "-print_final_stats=1"]
        command += [f"-artifact_prefix={folder}/", str(corpus)]
        ended = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds + KILL_AFTER_S,
            check=False,
            cwd=ROOT,
        )
    said = ended.stderr[-SAID_MAX:] + ended.stdout[-SAID_MAX:]  # the traceback goes to stdout
    tried = re.search(r"number_of_executed_units:\s*(\d+)", ended.stderr)
    return (int(tried[1]) if ended.returncode == 0 and tried is not None else None), said


def _words() -> set[bytes]:
    """What a mutation may put in: every name and text of the valid bodies, and what JSON and numbers are made of."""
    found = {b"null", b"true", b"NaN", b"-1", b"1e400", b"0.0", b"9007199254740993", b"[]", b"{}", b'"', b"\\u0000"}
    for _, body in SEEDS:
        found.update(re.findall(rb'"[^"]*":?', body))
    return found


def _escaped(word: bytes) -> str:
    """As libFuzzer reads it: every byte that is not a letter or a digit in hexadecimal."""
    return "".join(chr(byte) if chr(byte).isalnum() and byte < ASCII_END else f"\\x{byte:02X}" for byte in word)


def fuzz(folder: Path, arguments: Sequence[str]) -> None:
    """Runs in a process of its own, which libFuzzer ends. An input is a topic's place in `TOPICS`, then the body."""
    import atheris  # type: ignore[import-untyped]  # noqa: PLC0415 - untyped; a wheel for Python 3.11 on x86-64 only

    target = DecodeTarget(folder)

    def one(data: bytes) -> None:
        if data:
            target.check(TOPICS[data[0] % len(TOPICS)], data[1:])

    def changed(data: bytes, size_max: int, seed: int) -> bytes:
        """Half of the changes are libFuzzer's, to bytes; the others are ours, to what is JSON."""
        rng = random.Random(seed)  # noqa: S311 - a reproducible run, not a secret
        if data and rng.random() < OURS:
            with contextlib.suppress(ValueError, RecursionError, OverflowError):  # no JSON: libFuzzer changes it
                content = mutated(json.loads(data[1:]), rng)
                place = bytes([rng.randrange(len(TOPICS))]) if rng.random() < NEW_TOPIC else data[:1]
                return (place + json.dumps(content).encode())[:size_max]
        return bytes(atheris.Mutate(data, size_max))

    atheris.Setup([sys.argv[0], *arguments], one, custom_mutator=changed)
    atheris.Fuzz()
