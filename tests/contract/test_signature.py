"""Signatures: only what our console signed, for this device, and not older than what it shows."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.delivery import SirenCommand
from contract.signage import Manifest
from contract.signature import BadSignatureError, Signer, Verifier, key_id

SIGNER = Signer(Signer.new_private_key_hex())
VERIFIER = Verifier(SIGNER.public_key_hex)
MANIFEST = Manifest(market="jungang", device="edge-1", generation=5, issued_unix_ms=1)
COMMAND = SirenCommand(
    command_id="0" * 32,
    market="jungang",
    device="edge-1",
    action="silence",
    issued_unix_ms=1,
    expires_unix_ms=2,
    signature_base64="",
)


def test_what_was_signed_is_read_back() -> None:
    signed = SIGNER.sign_manifest(MANIFEST)
    assert signed.key_id == SIGNER.key_id == key_id(SIGNER.public_key_hex)
    assert VERIFIER.manifest(signed, "jungang", "edge-1", 5) == MANIFEST
    VERIFIER.command(SIGNER.sign_command(COMMAND), "jungang", "edge-1")


def test_rfc_8032_test_1() -> None:
    """The first test vector of RFC 8032, 7.1: the key pair."""
    signer = Signer("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    assert signer.public_key_hex == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


@given(st.data())
def test_any_altered_byte_is_refused(data: st.DataObject) -> None:
    signed = SIGNER.sign_manifest(MANIFEST)
    place = data.draw(st.integers(0, len(signed.manifest_json) - 1))
    char = data.draw(st.characters(codec="utf-8").filter(lambda one: one != signed.manifest_json[place]))
    text = signed.manifest_json[:place] + char + signed.manifest_json[place + 1 :]
    with pytest.raises(BadSignatureError, match="does not fit the key"):
        VERIFIER.manifest(signed.model_copy(update={"manifest_json": text}), "jungang", "edge-1", 0)


@given(st.binary(max_size=80).map(lambda raw: base64.b64encode(raw).decode()) | st.text(max_size=100))
def test_a_made_up_signature_is_refused(signature: str) -> None:
    signed = SIGNER.sign_manifest(MANIFEST).model_copy(update={"signature_base64": signature})
    with pytest.raises(BadSignatureError):
        VERIFIER.manifest(signed, "jungang", "edge-1", 0)
    with pytest.raises(BadSignatureError):
        VERIFIER.command(COMMAND.model_copy(update={"signature_base64": signature}), "jungang", "edge-1")


def test_another_key_another_device_and_an_older_generation_are_refused() -> None:
    signed = SIGNER.sign_manifest(MANIFEST)
    stranger = Signer(Signer.new_private_key_hex())
    with pytest.raises(BadSignatureError, match="does not fit the key"):
        VERIFIER.manifest(stranger.sign_manifest(MANIFEST), "jungang", "edge-1", 0)
    with pytest.raises(BadSignatureError, match="is for jungang/edge-1, this is jungang/edge-2"):
        VERIFIER.manifest(signed, "jungang", "edge-2", 0)
    with pytest.raises(BadSignatureError, match="is for jungang/edge-1, this is seomun/edge-1"):
        VERIFIER.manifest(signed, "seomun", "edge-1", 0)
    with pytest.raises(BadSignatureError, match="generation 5 is older than 6"):
        VERIFIER.manifest(signed, "jungang", "edge-1", 6)


@pytest.mark.parametrize("change", [{"expires_unix_ms": 3}, {"device": "edge-2"}, {"command_id": "1" * 32}])
def test_an_altered_command_is_refused(change: dict[str, object]) -> None:
    signed = SIGNER.sign_command(COMMAND)
    with pytest.raises(BadSignatureError, match="does not fit the key"):
        VERIFIER.command(signed.model_copy(update=change), "jungang", str(change.get("device", "edge-1")))
    with pytest.raises(BadSignatureError, match="is for jungang/edge-1"):
        VERIFIER.command(signed, "jungang", "edge-2")


def test_a_signed_text_that_is_no_manifest_is_refused() -> None:
    signed = SIGNER.sign_manifest(MANIFEST)
    forged = signed.model_copy(update={"manifest_json": "{}", "signature_base64": SIGNER._sign(b"{}")})
    with pytest.raises(BadSignatureError, match="signed but not valid"):
        VERIFIER.manifest(forged, "jungang", "edge-1", 0)
