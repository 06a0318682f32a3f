"""The Korean texts: one SMS each, what, where and when first, ending with the incident's code."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from broker.alerts.carrier import SMS_BYTES_MAX, carriable, carrier_bytes, shortened

KOREA = timezone(timedelta(hours=9), "KST")  # no daylight saving since 1988
PLACE_BYTES_MIN = 6

PARTS_KO = {
    "camera": "카메라",
    "siren": "사이렌",
    "device-offline": "장치",
}
REASONS_KO = {
    "starting": "시작 중",
    "no-echo": "응답 없음",
    "frozen": "화면 멈춤",
    "impossible": "값 이상",
    "sensor-error": "센서 오류",
    "absent": "연결 없음",
    "dead": "작동 중지",
    "ended": "입력 종료",
    "no-heartbeat": "신호 없음",
    "stale": "오래된 값",
    "device-offline": "연결 끊김",
    "never-reported": "보고 없음",
    "clock-unset": "시계 미설정",
    "clock-skew": "시계 오차",
    "stalled": "멈춤",
    "looping": "영상 되풀이",
    "black": "화면 검음",
    "overexposed": "화면 과다노출",
    "covered": "렌즈 가림",
    "blurred": "초점 흐림",
    "moved": "방향 바뀜",
    "too-dark": "너무 어두움",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where it is, in words for people: names of market and zone, the camera or part."""

    market: str
    zone: str
    subject: str


def fire_text(place: Place, code: str, unix_ms: int, *, late: bool = False, head: str = "화재") -> str:
    """`[화재] 중앙시장 B구역 cam-1 화염감지 14:32 확인코드 K7Q2`; what arrives late says so and carries its date."""
    tail = f"화염감지 {_when(unix_ms, late=late)} 확인코드 {code}"
    return _fit(f"[{head}]", (place.market, place.zone, place.subject), tail)


def trouble_text(place: Place, part: str, reason: str, code: str, unix_ms: int, *, late: bool = False) -> str:
    """`[장애] 중앙시장 카메라 cam-1 화면 멈춤 14:32 확인코드 K7Q2`; what arrives late says so and carries its date."""
    what = f"{PARTS_KO.get(part, part)} {place.subject}"
    tail = f"{REASONS_KO.get(reason, reason)} {_when(unix_ms, late=late)} 확인코드 {code}"
    return _fit("[장애]", (place.market, what), tail)


def _when(unix_ms: int, *, late: bool) -> str:
    local = datetime.fromtimestamp(unix_ms / 1000, UTC).astimezone(KOREA)
    return f"{local.month}/{local.day} {local:%H:%M} 지연 수신" if late else f"{local:%H:%M}"


def _fit(head: str, places: Sequence[str], tail: str) -> str:
    """Head, places and tail in one SMS: only the places give way, always the longest first."""
    names = [carriable(one) for one in places if one]
    head, tail = carriable(head), carriable(tail)
    text = " ".join((head, *names, tail))
    while carrier_bytes(text) > SMS_BYTES_MAX:
        longest = max(range(len(names)), key=lambda index: carrier_bytes(names[index]))
        size = carrier_bytes(names[longest])
        if size <= PLACE_BYTES_MIN:
            return shortened(text, SMS_BYTES_MAX)
        names[longest] = shortened(names[longest].removesuffix("…"), size - 1)
        text = " ".join((head, *names, tail))
    return text
