"""Ed25519 (RFC 8032) signatures on documents and commands. Keys are handled as raw 32 bytes in hex."""

import base64
import hashlib
from typing import TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import ValidationError

from contract.cameras import SignedZonePlan, ZonePlan
from contract.delivery import Command
from contract.roster import Roster, SignedRoster
from contract.signage import Manifest, SignedManifest

KEY_ID_HEX_DIGITS = 16

C = TypeVar("C", bound=Command)
D = TypeVar("D", Manifest, ZonePlan, Roster)


class BadSignatureError(ValueError):
    """Content or a command that must not be acted on; the sentence says why."""


class Signer:
    """Signs with the console's private key.

    Raises:
        ValueError: `private_key_hex` is not 32 bytes in hex.
    """

    def __init__(self, private_key_hex: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private_key_hex))
        self.public_key_hex = self._key.public_key().public_bytes_raw().hex()
        self.key_id = key_id(self.public_key_hex)

    @staticmethod
    def new_private_key_hex() -> str:
        """A fresh random key."""
        return Ed25519PrivateKey.generate().private_bytes_raw().hex()

    def sign_manifest(self, manifest: Manifest) -> SignedManifest:
        """Wrap and sign a manifest."""
        text = manifest.model_dump_json()
        return SignedManifest(
            manifest_json=text,
            key_id=self.key_id,
            signature_base64=self._sign(text.encode()),
            generation=manifest.generation,
        )

    def sign_zone_plan(self, plan: ZonePlan) -> SignedZonePlan:
        """Wrap and sign a device's zones."""
        text = plan.model_dump_json()
        return SignedZonePlan(
            plan_json=text, key_id=self.key_id, signature_base64=self._sign(text.encode()), generation=plan.generation
        )

    def sign_roster(self, roster: Roster) -> SignedRoster:
        """Wrap and sign a device's roster."""
        text = roster.model_dump_json()
        return SignedRoster(
            roster_json=text,
            key_id=self.key_id,
            signature_base64=self._sign(text.encode()),
            generation=roster.generation,
        )

    def sign_command(self, command: C) -> C:
        """The same command with its signature filled in."""
        return command.model_copy(update={"signature_base64": self._sign(command.signed_bytes())})

    def _sign(self, data: bytes) -> str:
        return base64.b64encode(self._key.sign(data)).decode()


class Verifier:
    """Checks against the one public key that a device trusts.

    Raises:
        ValueError: `public_key_hex` is not 32 bytes in hex.
    """

    def __init__(self, public_key_hex: str) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key_hex))

    def manifest(self, signed: SignedManifest, market: str, device: str, generation_min: int) -> Manifest:
        """The manifest inside, if it may be shown on this device.

        Raises:
            BadSignatureError: altered, not ours, for another device, or older than `generation_min`.
        """
        text = signed.manifest_json
        return self._document(Manifest, "manifest", text, signed.signature_base64, market, device, generation_min)

    def zone_plan(self, signed: SignedZonePlan, market: str, device: str, generation_min: int) -> ZonePlan:
        """The zones inside, if this device may use them.

        Raises:
            BadSignatureError: altered, not ours, for another device, or older than `generation_min`.
        """
        text = signed.plan_json
        return self._document(ZonePlan, "zone plan", text, signed.signature_base64, market, device, generation_min)

    def roster(self, signed: SignedRoster, market: str, device: str, generation_min: int) -> Roster:
        """The roster inside, if this device may use it.

        Raises:
            BadSignatureError: altered, not ours, for another device, or older than `generation_min`.
        """
        text = signed.roster_json
        return self._document(Roster, "roster", text, signed.signature_base64, market, device, generation_min)

    def command(self, command: Command, market: str, device: str) -> None:
        """Return if the command is ours and for this device.

        Raises:
            BadSignatureError: it is not.
        """
        self._check(command.signature_base64, command.signed_bytes(), "command")
        if (command.market, command.device) != (market, device):
            raise BadSignatureError(f"command is for {command.market}/{command.device}, this is {market}/{device}")

    def _document(
        self, model: type[D], what: str, text: str, signature_base64: str, market: str, device: str, generation_min: int
    ) -> D:
        self._check(signature_base64, text.encode(), what)
        try:
            document = model.model_validate_json(text)
        except ValidationError as error:
            raise BadSignatureError(
                f"{what} is signed but not valid: {error.errors(include_url=False)[0]['msg']}"
            ) from error
        if (document.market, document.device) != (market, device):
            raise BadSignatureError(f"{what} is for {document.market}/{document.device}, this is {market}/{device}")
        if document.generation < generation_min:
            raise BadSignatureError(f"{what} generation {document.generation} is older than {generation_min}")
        return document

    def _check(self, signature_base64: str, data: bytes, what: str) -> None:
        try:
            self._key.verify(base64.b64decode(signature_base64, validate=True), data)
        except (InvalidSignature, ValueError) as error:  # ValueError: not base64 (binascii.Error), or not even ASCII
            raise BadSignatureError(f"the {what}'s signature does not fit the key that this device trusts") from error


def key_id(public_key_hex: str) -> str:
    """A short name for a public key: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(bytes.fromhex(public_key_hex)).hexdigest()[:KEY_ID_HEX_DIGITS]
