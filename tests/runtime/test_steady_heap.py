"""The collector's settings, in a process of their own."""

import subprocess
import sys

SCRIPT = """
import gc, weakref
from runtime.steady_heap import YOUNG_MAX, settle_heap
class Node: pass
settle_heap()
assert gc.get_freeze_count() > 1000, gc.get_freeze_count()
assert gc.get_threshold()[0] == YOUNG_MAX
node = Node()
node.itself = node
gone = weakref.ref(node)
del node
kept = [[] for _ in range(2 * YOUNG_MAX)]
assert gone() is None, "cycles that are made later are still found, without being asked for"
"""


def test_what_lives_is_left_alone_and_later_cycles_are_found() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
