"""What a person is told when something cannot be done: one table in Korean and English, and the error that carries it.

A page says the sentence in its own language. The API always says the English one: its readers are programs and logs.
"""

from collections.abc import Mapping

from broker.console.alert_problems import ALERT_PROBLEMS
from broker.console.rule_texts import RULE_PROBLEMS
from broker.console.texts import LANGUAGES, Language, translator

PROBLEMS: Mapping[str, tuple[str, str]] = {
    **ALERT_PROBLEMS,
    **RULE_PROBLEMS,
    # what is not there
    "market": (
        "'{market}' 시장은 등록되어 있지 않습니다. 시장 목록에서 고르세요.",
        "there is no market '{market}': see /api/v1/markets",
    ),
    "incident": (
        "{n}번 사건이 없습니다. 현황 페이지에서 고르세요.",
        "there is no incident {n}",
    ),
    "still": (
        "{n}번 사건의 사진이 아직 오지 않았습니다.",
        "no picture of incident {n} has come yet",
    ),
    "camera": (
        "{market} 시장에는 카메라 '{camera}'이(가) 없습니다.",
        "{market} has no camera '{camera}'",
    ),
    "view_over": (
        "카메라 '{camera}'의 실시간 보기가 켜져 있지 않습니다. 카메라 페이지에서 시작하세요.",
        "no live view of camera '{camera}' runs: start one on its page",
    ),
    "picture": (
        "카메라 '{camera}'의 화면이 아직 오지 않았습니다. 실시간 보기를 먼저 켜세요.",
        "no picture of camera '{camera}' has come: start a live view first",
    ),
    "notice": (
        "{market} 시장에는 {n}번 알림이 없습니다.",
        "{market} has no notice {n}",
    ),
    "siren": (
        "{market} 시장에는 사이렌이 달린 기기 '{device}'이(가) 없습니다.",
        "{market} has no device '{device}' with a siren",
    ),
    "dead_letter": (
        "{n}번 거절된 수신이 없습니다. 이미 다시 넣어졌거나 지워졌습니다.",
        "there is no dead letter {n}: it was replayed or forgotten",
    ),
    "file": ("이 해시의 파일은 여기에 없습니다.", "no file with this hash is kept here"),
    "live_group": ("'{group}' 묶음은 없습니다.", "there is no live group '{group}'"),
    # who may ask
    "token": (
        "토큰이 없거나 맞지 않습니다. 'Authorization: Bearer <토큰>'을 보내세요.",
        "the token is missing or wrong: send 'Authorization: Bearer <token>'",
    ),
    "metrics_token": (
        "다른 컴퓨터에서 지표를 읽으려면 'Authorization: Bearer <토큰>'이 필요합니다.",
        "metrics from another machine need 'Authorization: Bearer <token>'",
    ),
    "form_expired": (
        "이 양식은 만료되었습니다. 페이지를 다시 열고 한 번 더 보내세요.",
        "the form has expired: load the page again and send it once more",
    ),
    "foreign_form": (
        "다른 사이트에서 보낸 양식이라 받지 않았습니다. 콘솔을 직접 여세요.",
        "this form came from another site: open the console itself",
    ),
    "viewer": (
        "{who} 계정은 볼 수만 있고 바꿀 수 없습니다. 관리자에게 부탁하세요.",
        "{who} may look but not change anything: ask a manager",
    ),
    "view_right": (
        "{who} 계정은 카메라의 실시간 화면을 볼 수 없습니다. 관리자에게 부탁하세요.",
        "{who} may not look through cameras: ask a manager",
    ),
    # zones of a camera's picture
    "zones_many": (
        "구역은 {n}개까지 둘 수 있습니다. 몇 개를 지우세요.",
        "a camera may have {n} zones at most: remove some",
    ),
    "zone_twice": (
        "구역 이름 '{zone}'이(가) 두 번 있습니다. 다른 이름을 쓰세요.",
        "two zones are called '{zone}': give each a name of its own",
    ),
    "zone_name": (
        "구역 이름 '{zone}': 영문 소문자, 숫자, -로 63자까지 쓰고 -로 시작하지 마세요.",
        "zone name '{zone}': use up to 63 of a-z, 0-9 and -, not starting with -",
    ),
    "zone_kind": (
        "구역 '{zone}': 종류는 살피지 않음이나 조리여야 합니다.",
        "zone '{zone}': its kind must be ignored or cooking",
    ),
    "zone_days": ("구역 '{zone}': 요일을 하나 이상 고르세요.", "zone '{zone}': choose at least one day"),
    "zone_hours": (
        "구역 '{zone}': 시각을 00:00에서 23:59 사이로 적으세요.",
        "zone '{zone}': give hours between 00:00 and 23:59",
    ),
    "zone_size": (
        "구역 '{zone}': 크기 한도는 0보다 크고 100 이하인 백분율이어야 합니다.",
        "zone '{zone}': the size limit must be more than 0 and at most 100 per cent",
    ),
    "zone_growth": (
        "구역 '{zone}': 커짐 한도는 1에서 100 사이의 배수여야 합니다.",
        "zone '{zone}': the growth limit must be between 1 and 100 times",
    ),
    "zone_points": (
        "구역 '{zone}': 점을 {least}개에서 {most}개까지 놓으세요.",
        "zone '{zone}': set {least} to {most} points",
    ),
    "zone_place": (
        "구역 '{zone}': 점의 x와 y는 0에서 100 사이의 백분율이어야 합니다.",
        "zone '{zone}': x and y of a point must be between 0 and 100 per cent",
    ),
    "zone_flat": (
        "구역 '{zone}': 넓이가 없습니다. 점을 더 벌리세요.",
        "zone '{zone}': it covers nothing: move its points apart",
    ),
    # notices and their pictures
    "notice_kind": (
        "알림은 application/json 또는 multipart/form-data 로 보내세요.",
        "send the notice as application/json or multipart/form-data",
    ),
    "notice_over": (
        "시작하기도 전에 끝나는 알림입니다. 끝나는 때를 늦추세요.",
        "the notice would be over before it begins: give a later end",
    ),
    "notices_full": (
        "화면에 알림이 이미 {n}개 있습니다. 먼저 하나를 내리세요.",
        "{n} notices are on these screens: withdraw one first",
    ),
    "notices_long": (
        "이 시장의 알림을 모두 합치면 너무 깁니다. 몇 개를 내리세요.",
        "the market's notices are too long together for one manifest: withdraw some",
    ),
    "picture_bytes": (
        "사진이 {n}바이트입니다. {limit_mb} MB 이하로 줄이세요.",
        "the picture has {n} bytes: make it at most {limit_mb} MB",
    ),
    "picture_cut": (
        "사진 파일이 잘렸습니다. PNG, JPEG, WebP 중 하나로 다시 저장하세요.",
        "the picture's file is cut off: save it again as PNG, JPEG or WebP",
    ),
    "picture_type": (
        "PNG, JPEG, WebP 사진이 아닙니다. 이 중 하나로 저장하세요.",
        "the file is not a PNG, JPEG or WebP picture: save it as one of these",
    ),
    "picture_sides": (
        "사진이 가로 {width}, 세로 {height} 화소입니다. 한 변 {side_max}, 모두 {million_max}백만 화소 이하로 줄이세요.",
        "the picture is {width} by {height} pixels: at most {side_max} on a side and {million_max} million in all",
    ),
    "picture_base64": (
        "사진이 base64가 아닙니다. 파일의 바이트를 base64로 바꾸어 보내세요.",
        "the picture is not base64: encode the file's bytes",
    ),
    "picture_not_file": (
        "사진은 양식의 파일로 보내세요.",
        "send the picture as a file of the form",
    ),
    "pictures_full": (
        "사진 보관함에 {total}바이트가 있고 모두 쓰이는 중입니다(한도 {limit}바이트). 알림을 하나 내리세요.",
        "the picture store holds {total} of {limit} bytes and all is in use: withdraw a notice",
    ),
    # what a field holds; {field} is its label on a page and its name in the API
    "input.missing": ("{field}: 비어 있습니다. 채워 주세요.", "{field}: is missing or empty: give one"),
    "input.too_long": (
        "{field}: 너무 깁니다. {n}자까지 쓸 수 있습니다.",
        "{field}: is too long: at most {n} characters",
    ),
    "input.at_least": ("{field}: {n} 이상이어야 합니다.", "{field}: must be at least {n}"),
    "input.at_most": ("{field}: {n} 이하여야 합니다.", "{field}: must be at most {n}"),
    "input.whole": ("{field}: 정수여야 합니다.", "{field}: must be a whole number"),
    "input.text": ("{field}: 글이어야 합니다.", "{field}: must be a text"),
    "input.control": (
        "{field}: 보이지 않는 제어 문자가 들어 있습니다. 지우고 다시 보내세요.",
        "{field}: holds control characters: remove them",
    ),
    "input.unknown": ("{field}: 모르는 항목입니다. 빼고 보내세요.", "{field}: is not known here: leave it out"),
    "input.json": ("올바른 JSON이 아닙니다: {message}", "the body is not JSON: {message}"),
    "input.object": ("JSON 객체를 보내세요.", "the body must be a JSON object"),
    "input.other": ("{field}: 값이 맞지 않습니다 ({message}).", "{field}: {message}"),
    # what may pass
    "store": (
        "중앙 데이터베이스가 답하지 않습니다. 잠시 뒤에 다시 하세요.",
        "the central state does not answer: try again in a moment",
    ),
    "broker_lost": (
        "브로커와 연결이 끊겨 보내지 못했습니다. 잠시 뒤에 다시 하거나 기기에서 직접 하세요.",
        "the broker is not connected, nothing was sent: try again in a moment, or act at the device itself",
    ),
    "broker_slow": (
        "브로커가 받았다고 답하지 않았습니다. 보내졌는지 알 수 없으니 확인하고 다시 하세요.",
        "the broker did not confirm, it may or may not have been sent: look, and try again",
    ),
    "later": ("지금은 할 수 없습니다. 잠시 뒤에 다시 하세요.", "this cannot be done now: try again in a moment"),
    "streams_full": (
        "실시간 연결이 한도인 {n}개에 이르렀습니다. 쓰지 않는 페이지를 닫으세요.",
        "{n} streams are open, which is as many as are served",
    ),
    "viewers_full": (
        "실시간 화면을 보는 사람이 한도인 {n}명에 이르렀습니다. 잠시 뒤에 다시 하세요.",
        "{n} live views are being looked at, which is as many as are served: try again in a moment",
    ),
    "unexpected": (
        "예상하지 못한 문제가 생겨 처리하지 못했습니다. 다시 해 보고, 되풀이되면 기록(console.unexpected)을 보세요.",
        "something unexpected went wrong: try again, and if it stays look for console.unexpected in the log",
    ),
    # what HTTP itself says
    "http.400": ("요청을 읽을 수 없습니다. 페이지를 다시 열고 해 보세요.", "the request cannot be read"),
    "http.404": ("이 주소에는 아무것도 없습니다.", "there is nothing at this address: see /openapi.json"),
    "http.405": (
        "이 주소는 그렇게 부를 수 없습니다.",
        "this address does not know this method: see the Allow header",
    ),
    "http.413": (
        "보낸 것이 너무 큽니다(한도 {limit_mb} MB). 사진을 줄여 다시 보내세요.",
        "the request is larger than {limit_mb} MB: send a smaller picture",
    ),
    "http.other": ("요청을 처리할 수 없습니다 ({status}).", "the request cannot be answered ({status})"),
}

LABELS: Mapping[str, str] = {
    "title": "notices.title",
    "text": "notices.text",
    "duration_s": "notices.duration",
    "name": "sign_in.name",
    "password": "sign_in.password",
}
"""By an input's name: the key of its label on a page."""


class ExplainedError(Exception):
    """An error with a sentence of `PROBLEMS`; as text it is the English one."""

    def __init__(self, key: str, /, **values: object) -> None:
        self.key = key
        self.values: Mapping[str, object] = values
        super().__init__(problem_text("en", key, **values))

    def sentence(self, language: Language) -> str:
        """The sentence in one language."""
        return problem_text(language, self.key, **self.values)


class NotHereError(ExplainedError, LookupError):
    """What was asked for is not there."""


def problem_text(language: Language, key: str, /, **values: object) -> str:
    """A sentence of the table with its values in place. An unknown key is a defect: KeyError."""
    return PROBLEMS[key][LANGUAGES.index(language)].format(**values)


def field_label(language: Language, field: str) -> str:
    """What an input is called on a page; its own name where no page has it."""
    return translator(language)(LABELS[field]) if field in LABELS else field
