"""Zones and commands of cameras: what is refused, and whose signature counts."""

import pytest
from pydantic import ValidationError

from contract.cameras import CameraAction, CameraCommand, CameraZone, CameraZones, Point, ZonePlan
from contract.signature import BadSignatureError, Signer, Verifier

SIGNER = Signer("07" * 32)
VERIFIER = Verifier(SIGNER.public_key_hex)
STOVE = CameraZone(name="stove", kind="cooking", points=(Point(x=0, y=0), Point(x=1, y=0), Point(x=0.5, y=1)))
PLAN = ZonePlan(
    market="jungang",
    device="edge-1",
    generation=3,
    issued_unix_ms=1,
    cameras=(CameraZones(camera="c-1", zones=(STOVE,)),),
)


def test_a_polygon_has_three_points_within_the_picture() -> None:
    with pytest.raises(ValidationError, match="at least 3"):
        CameraZone(name="stove", kind="ignored", points=STOVE.points[:2])
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        Point(x=1.2, y=0)


def test_the_zones_of_a_camera_have_names_of_their_own() -> None:
    with pytest.raises(ValidationError, match="two zones of camera 'c-1' have the same name: give each its own"):
        CameraZones(camera="c-1", zones=(STOVE, STOVE))


def test_a_signed_plan_is_read_by_its_device_alone() -> None:
    signed = SIGNER.sign_zone_plan(PLAN)
    assert VERIFIER.zone_plan(signed, "jungang", "edge-1", 3) == PLAN
    with pytest.raises(BadSignatureError, match="zone plan is for jungang/edge-1, this is jungang/edge-2"):
        VERIFIER.zone_plan(signed, "jungang", "edge-2", 1)
    with pytest.raises(BadSignatureError, match="zone plan generation 3 is older than 4"):
        VERIFIER.zone_plan(signed, "jungang", "edge-1", 4)
    altered = signed.model_copy(update={"plan_json": signed.plan_json.replace("cooking", "ignored")})
    with pytest.raises(BadSignatureError, match="the zone plan's signature does not fit"):
        VERIFIER.zone_plan(altered, "jungang", "edge-1", 1)


def test_a_command_for_one_camera_cannot_be_turned_on_another() -> None:
    command = SIGNER.sign_command(
        CameraCommand(
            command_id="0" * 32,
            market="jungang",
            device="edge-1",
            camera="c-1",
            action=CameraAction.DRILL,
            lasts_s=60,
            issued_unix_ms=1,
            expires_unix_ms=2,
            signature_base64="",
        )
    )
    VERIFIER.command(command, "jungang", "edge-1")
    for change in ({"camera": "c-2"}, {"lasts_s": 600}, {"action": CameraAction.VIEW}):
        with pytest.raises(BadSignatureError, match="the command's signature does not fit"):
            VERIFIER.command(command.model_copy(update=change), "jungang", "edge-1")
