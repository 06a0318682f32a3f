"""What is said when a person or a policy cannot be taken, in Korean and English: part of `problems.PROBLEMS`."""

from collections.abc import Mapping

ALERT_PROBLEMS: Mapping[str, tuple[str, str]] = {
    # people of a roster
    "person": (
        "{market} 시장의 명부에 {n}번이 없습니다. 그 사이에 명부가 바뀌었습니다. 명부를 다시 여세요.",
        "{market}'s roster has no person {n}: it was changed meanwhile, open it again",
    ),
    "person_name": (
        "이름: 1자에서 {n}자까지 보이는 글자로 적으세요.",
        "name: give 1 to {n} letters that can be seen",
    ),
    "person_role": (
        "역할 '{role}'은(는) 없습니다. 관리자, 부관리자, 상인 가운데 고르세요.",
        "there is no role '{role}': choose manager, deputy or merchant",
    ),
    "person_language": (
        "언어 '{language}'은(는) 없습니다. ko, en, zh, ja 가운데 고르세요.",
        "there is no language '{language}': choose ko, en, zh or ja",
    ),
    "person_hours": (
        "조용한 시간 '{typed}'은(는) 시각이 아닙니다. 22:00처럼 적으세요.",
        "quiet hours: '{typed}' is not a time of day, write it as 22:00",
    ),
    "person_hours_half": (
        "조용한 시간: 시작과 끝을 모두 적거나 모두 비우세요.",
        "quiet hours: give both their beginning and their end, or neither",
    ),
    "person_hours_same": (
        "조용한 시간의 시작과 끝이 같습니다. 다르게 적거나 모두 비우세요.",
        "quiet hours begin when they end: give different times, or none",
    ),
    "phone_empty": (
        "전화번호: 비어 있습니다. 010-1234-5678처럼 적으세요.",
        "phone: is empty, write one such as 010-1234-5678",
    ),
    "phone_letters": (
        "전화번호 '{phone}'에 숫자가 아닌 것이 있습니다. 010-1234-5678이나 +82 10-1234-5678처럼 적으세요.",
        "phone '{phone}' holds something that is not a digit: write it as 010-1234-5678 or +82 10-1234-5678",
    ),
    "phone_emergency": (
        "'{phone}'은(는) 긴급 번호입니다. 장터는 긴급 번호로 보내지 않습니다. 사람의 번호를 적으세요.",
        "'{phone}' is an emergency number: Jangteo never sends to one, give a person's number",
    ),
    "phone_mute": (
        "'{phone}'은(는) 문자를 받을 수 없는 번호입니다(060, 080, 15xx). 휴대전화 번호를 적으세요.",
        "'{phone}' cannot receive texts (060, 080, 15xx): give a mobile number",
    ),
    "phone_korean": (
        "'{phone}'은(는) 한국 번호가 아닙니다. 010-1234-5678처럼 적고, 외국 번호는 +와 국가 번호로 시작하세요.",
        "'{phone}' is not a Korean number: write 010-1234-5678, or begin a foreign one with + and its country code",
    ),
    "phone_foreign": (
        "'{phone}'은(는) 국제 번호가 아닙니다. +와 숫자 8개에서 15개로 적으세요.",
        "'{phone}' is not an international number: write + and 8 to 15 digits",
    ),
    "phone_twice": (
        "{phone}은(는) 이미 {who}의 번호입니다. 한 시장에 같은 번호를 두 번 둘 수 없습니다.",
        "{phone} is {who}'s number already: each number stands once in a market",
    ),
    "roster_full": (
        "명부에 이미 {n}명이 있습니다. 먼저 누군가를 지우세요.",
        "the roster has {n} people already: remove somebody first",
    ),
    # policies
    "policy_kind": (
        "알림 정책 '{kind}'은(는) 없습니다. 정책 페이지에서 고르세요.",
        "there is no policy for '{kind}': choose one on the page of policies",
    ),
    "policy_after": (
        "{n}단계: 몇 초 뒤인지 0에서 {most} 사이의 정수로 적으세요.",
        "step {n}: say after how many seconds, a whole number from 0 to {most}",
    ),
    "policy_order": (
        "{n}단계가 앞 단계({before}초)보다 늦지 않습니다. 늦어지는 순서로 적으세요.",
        "step {n} is not later than the one before it ({before} s): write the steps in the order in which they come",
    ),
    "policy_role": (
        "{n}단계: 역할 '{role}'은(는) 없습니다. 관리자, 부관리자, 상인 가운데 고르세요.",
        "step {n}: there is no role '{role}', choose of manager, deputy and merchant",
    ),
    "policy_no_role": (
        "{n}단계: 누구에게 알릴지 하나 이상 고르세요. 단계를 없애려면 초도 비우세요.",
        "step {n}: choose whom to tell; to take the step away, empty its seconds too",
    ),
    "policy_channel": (
        "{n}단계: 길 '{channel}'은(는) 없습니다. sms, webhook, apprise 가운데 고르세요.",
        "step {n}: there is no channel '{channel}', choose of sms, webhook and apprise",
    ),
    "policy_no_channel": (
        "{n}단계: 어떤 길로 알릴지 하나 이상 고르세요.",
        "step {n}: choose at least one channel",
    ),
    "policy_no_first": (
        "화재에는 0초 단계가 있어야 합니다. 누군가는 바로 알아야 합니다.",
        "a fire needs a step at 0 seconds: somebody has to hear at once",
    ),
    "policy_quiet": (
        "조용한 시간: 기다림이나 무시를 고르세요.",
        "quiet hours: choose whether they are waited for or ignored",
    ),
    "policy_fire_quiet": (
        "조용한 시간은 화재를 결코 붙잡지 않습니다. 무시를 고르세요.",
        "quiet hours never hold a fire: choose that they are ignored",
    ),
    "policy_repeat_every": (
        "다시 알리는 간격: 0(다시 알리지 않음)이나 {least}에서 {most} 사이의 초를 적으세요.",
        "telling again: give 0 (never) or {least} to {most} seconds",
    ),
    "policy_repeats": (
        "다시 알리는 횟수: 0에서 {most} 사이의 정수를 적으세요.",
        "telling again: say how often, a whole number from 0 to {most}",
    ),
    "policy_repeats_half": (
        "다시 알리는 간격과 횟수는 함께 적습니다. 둘 다 적거나 둘 다 0으로 두세요.",
        "telling again: give both how often and how far apart, or 0 for both",
    ),
    "policy_cap": (
        "한 시간 한도: 1에서 {most} 사이의 정수를 적으세요.",
        "the cap: a whole number from 1 to {most} an hour",
    ),
    "policy_languages": ("언어를 하나 이상 고르세요.", "choose at least one language"),
    "policy_note_letter": (
        "할 일 ({language}): '{letter}'은(는) 이동통신사가 나를 수 없는 글자입니다. 빼세요.",
        "what to do ({language}): the carriers cannot carry '{letter}', leave it out",
    ),
    "policy_note_long": (
        "할 일 ({language}): 너무 깁니다({size}). {limit} 이하로 줄이세요.",
        "what to do ({language}): it is too long ({size}), make it at most {limit}",
    ),
    "policy_nobody": (
        "이 단계들이 부를 사람이 명부에 없습니다. 다른 역할을 고르거나 명부에 사람을 더하세요.",
        "the roster has nobody whom these steps tell: choose other roles, or add people to the roster",
    ),
}
