"""The texts of the page of dead letters, in Korean and in English; a part of `texts.TEXTS`."""

from collections.abc import Mapping

DEAD_LETTER_TEXTS: Mapping[str, tuple[str, str]] = {
    # dead letters
    "dead_letters": ("거절된 수신", "Dead letters"),
    "dead_letters.what": (
        "받아들일 수 없었던 메시지와 그 까닭입니다. 가장 새로운 {n}건을 보관합니다.",
        "Messages that could not be taken, with the reason. The newest {n} are kept.",
    ),
    "dead_letters.what_next": (
        "까닭을 없앤 뒤(기기 등록, 시계 맞춤) 다시 넣으면 기록에 들어갑니다.",
        "Once the reason is gone (the device enrolled, its clock right), replay them and they are stored.",
    ),
    "dead_letters.empty": ("거절된 메시지가 없습니다.", "No message was refused."),
    "dead_letters.empty_next": (
        "모든 기기의 메시지가 규약에 맞습니다.",
        "Every device's messages fit the contract.",
    ),
    "dead_letters.none_left": (
        "고른 조건에 맞는 거절된 메시지가 없습니다.",
        "No refused message fits what you chose.",
    ),
    "dead_letters.none_left_next": (
        "다시 넣어 받아들여졌거나, 지웠거나, 처음부터 없었습니다. 조건을 넓혀 보세요.",
        "They were replayed and taken, or forgotten, or never there. Choose less narrowly.",
    ),
    "dead_letters.reason": ("까닭", "Reason"),
    "dead_letters.topic": ("토픽", "Topic"),
    "dead_letters.body": ("내용", "Body"),
    "dead_letters.bytes": ("{n}바이트", "{n} bytes"),
    "dead_letters.excerpt": ("메시지 가운데 이 값 하나만", "this one reading of its message"),
    "dead_letters.number": ("배달 번호 {n}", "delivery number {n}"),
    "dead_letters.by_device": ("기기와 까닭별", "By device and reason"),
    "dead_letters.device": ("기기", "Device"),
    "dead_letters.no_device": ("토픽에 기기 없음", "no device in the topic"),
    "dead_letters.kind": ("까닭", "Reason"),
    "dead_letters.count": ("건수", "How many"),
    "dead_letters.newest": ("마지막", "Newest"),
    "dead_letters.all": ("모두", "All"),
    "dead_letters.since": ("언제부터", "Since"),
    "dead_letters.since.hour": ("한 시간 전", "an hour ago"),
    "dead_letters.since.day": ("하루 전", "a day ago"),
    "dead_letters.since.week": ("일주일 전", "a week ago"),
    "dead_letters.show": ("보기", "Show"),
    "dead_letters.older": ("더 오래된 것", "Older"),
    "dead_letters.act": ("다시 넣기", "Replay"),
    "dead_letters.replay": ("다시 넣기", "Replay"),
    "dead_letters.replay_what": ("{n}번 다시 넣기", "Replay letter {n}"),
    "dead_letters.replay_all": ("고른 것 모두 다시 넣기", "Replay all that are chosen"),
    "dead_letters.forget": ("지우기", "Forget"),
    "dead_letters.forget_what": ("{n}번 지우기", "Forget letter {n}"),
    "dead_letters.forget_sure": (
        "지우면 되돌릴 수 없습니다. 빠졌다는 기록은 남습니다.",
        "This cannot be undone. The record that it is missing stays.",
    ),
    "dead_letters.forget_yes": ("완전히 지우기", "Forget for good"),
    "dead_letters.asked": ("다시 넣는 중", "Replay asked for"),
    "dead_letters.tried": ("{n}번 다시 넣음, 마지막 까닭:", "Replayed {n} times, last reason:"),
    "dead_letters.cut": (
        "{total}바이트 중 앞 {kept}바이트만 있어 다시 넣을 수 없습니다.",
        "Only the first {kept} of {total} bytes were kept: it cannot be replayed.",
    ),
    "dead_letters.not_ingest": (
        "알림 담당이 거절했습니다. 미등록 기기는 등록되면 스스로 다시 보내고, 형식이 틀린 것은 여기에만 남습니다.",
        "Refused by alerts. Once enrolled, its device sends it again; what is malformed is left here alone.",
    ),
    "dead_letters.said.replay": (
        "{n}건을 다시 넣도록 맡겼습니다. 받아들여지면 목록에서 사라지고, 아니면 새 까닭이 붙습니다.",
        "Asked to replay {n}. What is taken leaves the list; what is not gets its new reason.",
    ),
    "dead_letters.said.forget": ("{n}건을 지웠습니다.", "Forgot {n}."),
}
