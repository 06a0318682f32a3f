"""Message bodies for the property tests: valid ones, valid ones changed in one or many places, and any bytes."""

import json
import random

from hypothesis import strategies as st

from benchmarks.decode_target import TOPICS
from benchmarks.json_mutation import mutated
from contract.catalog import Channel
from tests.contract.samples import SAMPLES

CHANGES_MAX = 6
CUT, WHOLE = 0.2, 0.7


def changed_body(body: bytes, seed: int) -> bytes:
    """A valid body, changed as JSON, then perhaps as bytes; `seed` names the changes."""
    rng = random.Random(seed)
    content = json.loads(body)
    for _ in range(rng.randint(1, CHANGES_MAX)):
        try:
            content = mutated(content, rng)
        except (OverflowError, ValueError):  # a number grew beyond what can be added to
            break
    text = json.dumps(content).encode()
    how, at = rng.random(), rng.randrange(len(text) + 1)
    if how < CUT:
        return text[:at]
    return text if how < WHOLE else text[:at] + rng.randbytes(rng.randint(1, 20)) + text[at:]


def changed_bodies(body: bytes) -> st.SearchStrategy[bytes]:
    """A valid body with changes."""
    return st.integers(0, 2**32).map(lambda seed: changed_body(body, seed))


def bodies_like(row: Channel) -> st.SearchStrategy[bytes]:
    """Bodies that are, or nearly are, this channel's."""
    sample = SAMPLES[row.path].to_bytes()
    return st.just(sample) | changed_bodies(sample)


VALID = st.sampled_from([payload.to_bytes() for payload in SAMPLES.values()])
MESSAGES = st.tuples(
    st.sampled_from(TOPICS) | st.text(max_size=80),
    st.builds(changed_body, VALID, st.integers(0, 2**32)) | VALID | st.binary(max_size=300),
)
"""(topic, body): any channel's body on any topic."""
