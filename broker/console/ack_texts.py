"""The texts of the page behind an acknowledge link: both languages stand on it, so each is short."""

from collections.abc import Mapping

ACK_TEXTS: Mapping[str, tuple[str, str]] = {
    "ack.title": ("사건 확인", "Acknowledge"),
    "ack.seen": ("감지 {time}", "seen {time}"),
    "ack.code": ("확인코드 {code}", "code {code}"),
    "ack.goes_on": ("계속 감지되고 있습니다.", "It is still being seen."),
    "ack.lasts": ("아직 그대로입니다.", "It has not been mended."),
    "ack.over": ("{time}에 끝났습니다.", "It was over at {time}."),
    "ack.late": ("늦게 도착한 알림입니다.", "This message came late."),
    "ack.drill": ("훈련입니다. 실제 화재가 아닙니다.", "This is a drill, not a fire."),
    "ack.picture": ("{camera} 사진, {time}", "Picture of {camera}, {time}"),
    "ack.no_picture": ("아직 사진이 없습니다.", "There is no picture yet."),
    "ack.press": ("제가 맡겠습니다", "I take care of it"),
    "ack.means": (
        "{who} 님의 이름으로 기록하고, 다른 분들께 알리고, 남은 문자를 멈춥니다.",
        "Records the name {who}, tells the others and stops further texts.",
    ),
    "ack.call": (
        "불이 보이면 119에 신고하세요. 이 확인은 신고가 아닙니다.",
        "If you see a fire, call 119. Pressing here calls nobody.",
    ),
    "ack.call_now": ("119 전화", "Call 119"),
    "ack.done": ("확인했습니다", "Acknowledged"),
    "ack.done_means": (
        "{time}에 {who} 님의 이름으로 기록했습니다. 다른 분들께 알립니다.",
        "Recorded at {time} under the name {who}. The others are told.",
    ),
    "ack.taken": ("{who} 님이 {time}에 이미 확인했습니다.", "{who} has acknowledged it at {time}."),
    "ack.told": ("받는 사람", "Who is told"),
    "ack.told_nobody": ("문자를 받은 사람이 없습니다.", "Nobody has been told."),
    "ack.told_more": ("그 밖에 {n}명", "and {n} more"),
    "ack.as_of": (
        "{time} 기준입니다. 새로 고치면 지금 상태가 보입니다.",
        "As of {time}. Reload for the present state.",
    ),
    "ack.invalid": ("쓸 수 없는 링크입니다", "This link cannot be used"),
    "ack.invalid_why": (
        "이미 썼거나, 24시간이 지났거나, 주소가 잘못되었습니다.",
        "It has been used, is older than 24 hours, or its address is wrong.",
    ),
    "ack.invalid_used": (
        "이미 누르셨다면 기록되어 있으니 더 하실 일이 없습니다.",
        "If you have pressed it, that is recorded: there is nothing more to do.",
    ),
    "ack.invalid_do": (
        "아니라면 문자에 있는 확인코드를 답장하거나 콘솔에서 확인하세요.",
        "If not, reply with the code in the text, or acknowledge in the console.",
    ),
    "ack.wait": ("시도가 너무 많습니다", "Too many tries"),
    "ack.wait_s": ("{n}초 뒤에 다시 여세요.", "Open it again in {n} s."),
    "ack.wait_do": (
        "급하면 문자에 있는 확인코드를 답장하거나 콘솔에서 확인하세요.",
        "If it is urgent, reply with the code in the text, or acknowledge in the console.",
    ),
    "audit.acknowledge.refused": ("확인 시도 거절", "was refused an acknowledgement"),
    "audit.acknowledge.already": ("이미 확인된 사건 확인", "acknowledged what was acknowledged"),
}
