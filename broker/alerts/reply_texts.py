"""The answers to replies: one SMS each, in the language of whoever is answered."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone

from broker.stores.carrier import SMS_BYTES_MAX, carriable, carrier_bytes, shortened

KOREA = timezone(timedelta(hours=9), "KST")  # no daylight saving since 1988
NAME_BYTES_MAX = 20
UNICODE = frozenset({"zh", "ja"})  # what EUC-KR cannot carry: only where a notifier sends UCS-2

ANSWERS: Mapping[str, Mapping[str, str]] = {
    "ko": {
        "acknowledged": "[장터] {codes} 확인했습니다. 다른 분들께 알립니다.",
        "already": "[장터] {codes} 이미 {time} {who} 확인했습니다.",
        "which": "[장터] 확인 안 됨. 코드 네 글자만 답장하세요: {codes}",
        "none": "[장터] 확인 안 됨. 지금 확인할 사건이 없습니다.",
    },
    "en": {
        "acknowledged": "[Jangteo] {codes} acknowledged. The others are told.",
        "already": "[Jangteo] {codes} was acknowledged at {time} by {who}.",
        "which": "[Jangteo] Not acknowledged. Reply with the code only: {codes}",
        "none": "[Jangteo] Not acknowledged: nothing is open now.",
    },
    "zh": {
        "acknowledged": "[Jangteo] {codes} 已确认,将通知其他人。",
        "already": "[Jangteo] {codes} 已于{time}由{who}确认。",
        "which": "[Jangteo] 未确认。请只回复四位代码:{codes}",
        "none": "[Jangteo] 未确认:目前没有待确认的事件。",
    },
    "ja": {
        "acknowledged": "[Jangteo] {codes} を確認しました。他の方に知らせます。",
        "already": "[Jangteo] {codes} は{time}に{who}が確認済みです。",
        "which": "[Jangteo] 未確認です。四文字のコードだけ返信してください: {codes}",
        "none": "[Jangteo] 未確認です。確認待ちの事件はありません。",
    },
}
"""By language, then by what the answer says."""


def answer_text(
    what: str, language: str, codes: Sequence[str], *, who: str = "", unix_ms: int | None = None, unicode: bool = True
) -> str:
    """One answer; English for whoever reads what no notifier here can carry. In EUC-KR never more than one SMS."""
    spoken = language if language in ANSWERS and (unicode or language not in UNICODE) else "en"
    local = "" if unix_ms is None else f"{datetime.fromtimestamp(unix_ms / 1000, UTC).astimezone(KOREA):%H:%M}"
    name = who if spoken in UNICODE else shortened(carriable(who), NAME_BYTES_MAX)
    text = ANSWERS[spoken][what].format(codes=" ".join(codes), time=local, who=name)
    if spoken in UNICODE or carrier_bytes(text) <= SMS_BYTES_MAX:
        return text
    return shortened(text, SMS_BYTES_MAX)
