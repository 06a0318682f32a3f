"""The texts of every page's frame, of signing in and of errors, in both languages; a part of `texts.TEXTS`."""

from collections.abc import Mapping

FRAME_TEXTS: Mapping[str, tuple[str, str]] = {
    # the frame of every page
    "product": ("장터", "Jangteo"),
    "skip": ("본문으로 건너뛰기", "Skip to the content"),
    "nav": ("주 메뉴", "Main menu"),
    "nav.markets": ("시장 목록", "Markets"),
    "nav.market": ("현황", "Live"),
    "nav.notices": ("화면 알림", "Notices"),
    "nav.messages": ("문자", "Messages"),
    "nav.devices": ("기기", "Devices"),
    "nav.dead_letters": ("거절된 수신", "Dead letters"),
    "nav.health": ("상태", "Health"),
    "sign_out": ("로그아웃", "Sign out"),
    "other_language": ("English", "한국어"),
    "trial_broker": (
        "시험용 브로커: 실제 운영에는 Mosquitto를 설치하세요.",
        "Trial broker: install Mosquitto before relying on this.",
    ),
    "supplement": (
        "장터는 인증된 화재경보설비를 보완하며 대신하지 않습니다.",
        "Jangteo supplements a certified fire-alarm system and does not replace it.",
    ),
    "link_lost": (
        "브로커와 연결이 끊겼습니다. 아래 값은 {time}부터 새로 오지 않았습니다.",
        "The link to the broker is lost. Nothing below is newer than {time}.",
    ),
    "cut": (
        "이 페이지가 서버와 끊겼습니다. 보이는 값은 지금 값이 아닐 수 있습니다.",
        "This page has lost the server. What it shows may no longer be true.",
    ),
    "unsent": (
        "서버에 닿지 못해 보내지 못했습니다. 다시 누르세요.",
        "The server cannot be reached; nothing was sent. Press again.",
    ),
    "clock": ("서버 시각", "Server time"),
    "now": ("방금", "just now"),
    "age_s": ("{n}초 전", "{n} s ago"),
    "age_min": ("{n}분 전", "{n} min ago"),
    "age_h": ("{n}시간 전", "{n} h ago"),
    "age_d": ("{n}일 전", "{n} d ago"),
    "never": ("수신 없음", "never"),
    "none": ("없음", "none"),
    # sign-in
    "sign_in": ("로그인", "Sign in"),
    "sign_in.name": ("이름", "Name"),
    "sign_in.password": ("비밀번호", "Password"),
    "sign_in.hint": (
        "첫 비밀번호는 데이터 폴더의 manager.password 파일에 있습니다.",
        "The first password is in the file manager.password of the data folder.",
    ),
    "sign_in.wrong": ("이름 또는 비밀번호가 맞지 않습니다.", "The name or the password is wrong."),
    "sign_in.wait": (
        "시도가 너무 많습니다. {n}초 뒤에 다시 하세요.",
        "Too many tries. Try again in {n} s.",
    ),
    "sign_in.link": ("로그인 링크", "Sign-in link"),
    "sign_in.link_go": ("이 링크로 로그인", "Sign in with this link"),
    "sign_in.link_used": (
        "이 링크는 이미 쓰였거나 15분이 지났습니다. 새 링크를 만들거나 비밀번호로 로그인하세요.",
        "This link has been used or is older than 15 minutes. Make a new one or sign in with the password.",
    ),
    # errors
    "error": ("문제가 있습니다", "Something is wrong"),
    "error.back": ("현황으로 돌아가기", "Back to the live page"),
}
