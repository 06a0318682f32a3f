"""Signage: generations only grow, whoever issues, and what was signed is read back as it was."""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine

from broker.stores.signage import Signage
from contract.access import DeviceIdentity
from contract.signage import Manifest, SignedManifest
from contract.signature import Signer, Verifier

PI_1, PI_2 = DeviceIdentity("jungang", "pi-1"), DeviceIdentity("seomun", "pi-1")
SIGNER = Signer("11" * 32)


def sign(identity: DeviceIdentity, generation: int) -> SignedManifest:
    manifest = Manifest(
        market=identity.market, device=identity.device, generation=generation, issued_unix_ms=generation
    )
    return SIGNER.sign_manifest(manifest)


def issue(signage: Signage, identity: DeviceIdentity, least: int = 1) -> int:
    made = signage.issue(identity, lambda number: sign(identity, number), issued_unix_ms=5, generation_min=least)
    return made.generation


def test_generations_count_for_each_device(engine: Engine) -> None:
    signage = Signage(engine)
    assert [issue(signage, PI_1), issue(signage, PI_1), issue(signage, PI_2)] == [1, 2, 1]
    assert [(one.identity, one.generation) for one in signage.all()] == [(PI_1, 2), (PI_2, 1)]
    assert [one.identity for one in signage.all("seomun")] == [PI_2]


def test_a_number_that_the_device_has_seen_is_never_issued_again(engine: Engine) -> None:
    signage = Signage(engine)
    assert issue(signage, PI_1, least=42) == 42
    assert issue(signage, PI_1, least=7) == 43


def test_what_was_signed_still_verifies(engine: Engine) -> None:
    signage = Signage(engine)
    issue(signage, PI_1)
    (kept,) = signage.all()
    manifest = Verifier(SIGNER.public_key_hex).manifest(kept.signed, "jungang", "pi-1", generation_min=1)
    assert (manifest.generation, kept.issued_unix_ms) == (1, 5)


def test_two_at_once_never_issue_the_same_number(engine: Engine) -> None:
    signage = Signage(engine)
    issue(signage, PI_1)
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(lambda _: issue(signage, PI_1), range(12)))
    assert sorted(numbers) == list(range(2, 14))
