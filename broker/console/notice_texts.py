"""The texts of the page of notices, in Korean and in English; a part of `texts.TEXTS`."""

from collections.abc import Mapping

NOTICE_TEXTS: Mapping[str, tuple[str, str]] = {
    # notices
    "notices": ("화면 알림", "Notices"),
    "notices.new": ("새 알림 보내기", "Send a notice"),
    "notices.title": ("제목", "Title"),
    "notices.text": ("내용", "Text"),
    "notices.picture": ("사진 (PNG, JPEG, WebP, 5MB 이하)", "Picture (PNG, JPEG or WebP, up to 5 MB)"),
    "notices.picture_large": (
        "사진이 너무 큽니다. {n} MB 이하로 줄이세요.",
        "The picture is too large: make it at most {n} MB.",
    ),
    "notices.preview": ("고른 사진 미리보기", "Preview of the chosen picture"),
    "notices.duration": ("보일 시간", "How long"),
    "notices.forever": ("내릴 때까지", "Until withdrawn"),
    "notices.hour": ("1시간", "1 hour"),
    "notices.hours": ("{n}시간", "{n} hours"),
    "notices.day": ("하루", "1 day"),
    "notices.week": ("일주일", "1 week"),
    "notices.send": ("모든 화면에 보내기", "Send to all screens"),
    "notices.sent": (
        "알림을 보냈습니다. 아래에서 화면마다 도착을 확인하세요.",
        "Sent. Its arrival on each screen is below.",
    ),
    "notices.no_screens": (
        "이 시장에는 화면이 없어 알림이 어디에도 보이지 않습니다. site 파일의 screens에 화면을 더하세요.",
        "This market has no screens, so no notice is seen anywhere. Add one under screens in the site file.",
    ),
    "notices.empty": ("보낸 알림이 없습니다.", "No notices yet."),
    "notices.empty_next": (
        "위에서 제목과 내용을 적어 보내면 시장의 모든 화면에 나옵니다.",
        "Write a title and a text above: every screen of the market shows them.",
    ),
    "notices.list": ("알림 목록", "All notices"),
    "notices.withdraw": ("내리기", "Withdraw"),
    "notices.withdraw_what": ("알림 '{title}' 내리기", "Withdraw the notice '{title}'"),
    "notices.by": ("{who} 보냄 {time}", "sent by {who} {time}"),
    "notices.until": ("{time}까지", "until {time}"),
    "phase.waiting": ("예정", "Waiting"),
    "phase.showing": ("보이는 중", "Showing"),
    "phase.over": ("지남", "Over"),
    "phase.withdrawn": ("내림", "Withdrawn"),
    "arrivals": ("화면 도착", "Arrival on the screens"),
    "arrivals.device": ("기기", "Device"),
    "arrivals.screens": ("화면", "Screens"),
    "arrivals.generation": ("받은 세대 / 보낸 세대", "Shown / sent generation"),
    "arrivals.state": ("도착", "Arrival"),
    "arrival.active": ("도착함", "Arrived"),
    "arrival.waiting": ("보내는 중", "On its way"),
    "arrival.fetching": ("받는 중", "Fetching"),
    "arrival.rejected": ("거절됨", "Rejected"),
    "arrival.offline": ("기기 꺼짐", "Device offline"),
}
