"""The texts of the pages of messages and of devices, in Korean and in English; a part of `texts.TEXTS`."""

from collections.abc import Mapping

MESSAGE_TEXTS: Mapping[str, tuple[str, str]] = {
    # messages
    "messages": ("보낸 문자", "Messages"),
    "messages.empty": ("보낸 문자가 없습니다.", "No message has been sent."),
    "messages.empty_next": (
        "화재가 확인되면 등록된 관리자에게 문자가 갑니다.",
        "A confirmed fire sends one to each registered manager.",
    ),
    "messages.to": ("받는 사람", "To"),
    "messages.text": ("내용", "Text"),
    "messages.state": ("상태", "State"),
    "messages.provider": ("발송", "By"),
    "messages.created": ("생성", "Made"),
    "messages.accepted": ("접수", "Accepted"),
    "messages.delivered": ("도착", "Delivered"),
    "message.due": ("대기", "Due"),
    "message.leased": ("보내는 중", "Being sent"),
    "message.accepted": ("접수됨", "Accepted"),
    "message.delivered": ("도착함", "Delivered"),
    "message.failed": ("실패", "Failed"),
    "message.unknown": ("결과 모름", "Outcome unknown"),
    "message.cancelled": ("취소", "Cancelled"),
    "provider.spool": ("보관함: 실제 발송 안 함", "Spool: kept here, not sent"),
    # devices
    "devices": ("기기", "Devices"),
    "devices.empty": ("등록된 기기가 없습니다.", "No device is registered."),
    "devices.empty_next": (
        "site 파일의 devices에 기기를 더하세요.",
        "Add one under devices in the site file.",
    ),
    "presence.online": ("연결됨", "Online"),
    "presence.offline": ("꺼짐", "Offline"),
    "presence.unknown": ("모름", "Unknown"),
    "device.version": ("버전", "Version"),
    "device.uptime": ("켜진 시간", "Up for"),
    "device.memory": ("메모리", "Memory"),
    "device.cpu": ("CPU", "CPU"),
    "device.outbox": ("보낼 것", "Outbox"),
    "device.dropped": ("버린 것", "Dropped"),
    "device.parts": ("달린 것", "What it has"),
    "device.bays": ("주차면 {n}", "{n} bays"),
}
