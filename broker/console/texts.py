"""Every text of the pages, in Korean and in English, once."""

from collections.abc import Callable, Mapping
from typing import Literal

from broker.console.camera_texts import CAMERA_TEXTS

Language = Literal["ko", "en"]
LANGUAGES: tuple[Language, ...] = ("ko", "en")

TEXTS: Mapping[str, tuple[str, str]] = {
    **CAMERA_TEXTS,
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
    # markets
    "markets.empty": ("등록된 시장이 없습니다.", "No market is registered."),
    "markets.empty_next": (
        "site 파일로 시장을 등록하면 여기에 나타납니다: jangteo up --site FILE",
        "Register one with a site file and it appears here: jangteo up --site FILE",
    ),
    # live page: summary
    "summary": ("한눈에", "At a glance"),
    "summary.free": ("빈자리", "Free bays"),
    "summary.of": ("전체 {n}면", "of {n}"),
    "summary.unknown": ("확인 불가 {n}", "{n} unknown"),
    "summary.people": ("오늘 들어온 사람", "People in today"),
    "summary.people_total": ("누적 들어온 사람", "People in, total"),
    "summary.out": ("나간 사람 {n}", "{n} out"),
    "summary.cameras": ("화재 카메라", "Fire cameras"),
    "summary.cameras_fine": ("정상 {n}/{total}", "{n}/{total} working"),
    "summary.cameras_fault": ("정상 아님 {names}", "Not working: {names}"),
    "summary.link_lost": ("브로커 끊김: 이전 값", "Broker link lost: earlier values"),
    "summary.cameras_all": ("모두 감시 중", "All watching"),
    "summary.incidents": ("진행 중 사건", "Active incidents"),
    "summary.incidents_none": ("없음", "None"),
    "summary.unacknowledged": ("미확인 {n}", "{n} not acknowledged"),
    "summary.acknowledged": ("모두 확인됨", "All acknowledged"),
    # bays
    "lots": ("주차", "Parking"),
    "lots.empty": ("주차면이 등록되지 않았습니다.", "No parking bays are registered."),
    "lots.empty_next": (
        "site 파일의 sensors에 ultrasonic-bay를 더하세요.",
        "Add an ultrasonic-bay under sensors in the site file.",
    ),
    "lots.other": ("주차장 미지정", "No lot given"),
    "bay": ("{name}번 면", "Bay {name}"),
    "bay.last": ("마지막 {state}", "last {state}"),
    "state.free": ("비었음", "Free"),
    "state.occupied": ("주차 중", "Occupied"),
    "state.unknown": ("알 수 없음", "Unknown"),
    "state.closed": ("닫힘", "Closed"),
    "state.live": ("정상", "Working"),
    "count.free": ("빈자리 {n}", "{n} free"),
    "count.occupied": ("주차 {n}", "{n} occupied"),
    "count.unknown": ("모름 {n}", "{n} unknown"),
    "count.closed": ("닫힘 {n}", "{n} closed"),
    # reasons: one for each contract.telemetry.Reason
    "reason.starting": ("시작하는 중", "starting"),
    "reason.no-echo": ("반사음 없음", "no echo"),
    "reason.frozen": ("값이 멈춤", "frozen"),
    "reason.impossible": ("불가능한 값", "impossible value"),
    "reason.sensor-error": ("센서 오류", "sensor error"),
    "reason.absent": ("장치 없음", "absent"),
    "reason.dead": ("작동 안 함", "dead"),
    "reason.ended": ("재생 끝남", "ended"),
    "reason.no-heartbeat": ("응답 없음", "no heartbeat"),
    "reason.stale": ("오래된 값", "stale"),
    "reason.device-offline": ("기기 꺼짐", "device offline"),
    "reason.never-reported": ("아직 보고 없음", "never reported"),
    "reason.clock-unset": ("시계가 아직 맞지 않음", "its clock is not set yet"),
    "reason.clock-skew": ("시계가 어긋남", "its clock is wrong"),
    "reason.stalled": ("멈춤", "stalled"),
    "reason.looping": ("같은 영상 되풀이", "the same recording again and again"),
    "reason.black": ("화면이 검음", "black picture"),
    "reason.overexposed": ("화면이 너무 밝음", "overexposed"),
    "reason.covered": ("렌즈가 가려짐", "lens covered"),
    "reason.blurred": ("초점이 맞지 않음", "out of focus"),
    "reason.moved": ("카메라 방향이 바뀜", "camera moved"),
    "reason.too-dark": ("너무 어두움", "too dark"),
    # people and gates
    "traffic": ("사람과 차량", "People and vehicles"),
    "people": ("사람", "People"),
    "gates": ("차량 출입구", "Vehicle gates"),
    "people.empty": ("사람 계수기가 등록되지 않았습니다.", "No people counter is registered."),
    "people.empty_next": (
        "site 파일의 sensors에 people-beams를 더하세요.",
        "Add people-beams under sensors in the site file.",
    ),
    "counter": ("출입구", "Entrance"),
    "counter.in_today": ("오늘 들어옴", "In today"),
    "counter.out_today": ("오늘 나감", "Out today"),
    "counter.in_total": ("누적 들어옴", "In, total"),
    "counter.out_total": ("누적 나감", "Out, total"),
    "counter.at": ("수신", "Heard"),
    "zone": ("구역 {name}", "Zone {name}"),
    # cameras, screens, sirens
    "cameras": ("화재 카메라", "Fire cameras"),
    "cameras.empty": ("카메라가 등록되지 않았습니다.", "No camera is registered."),
    "cameras.empty_next": (
        "site 파일의 cameras에 카메라를 더하거나 jangteo up --camera 이름=파일 로 시험하세요.",
        "Add one under cameras in the site file, or try jangteo up --camera NAME=FILE.",
    ),
    "camera.score": ("화염 점수", "Flame score"),
    "fire.quiet": ("이상 없음", "Quiet"),
    "fire.suspected": ("의심", "Suspected"),
    "fire.confirmed": ("화재 확인", "Fire confirmed"),
    "screens": ("화면", "Screens"),
    "screens.empty": ("화면이 등록되지 않았습니다.", "No screen is registered."),
    "screens.empty_next": (
        "site 파일의 screens에 화면을 더하세요.",
        "Add one under screens in the site file.",
    ),
    "screen.open": ("화면 열기", "Open the screen"),
    "screen.open_where": (
        "그 기기에서만 열립니다",
        "opens on that device only",
    ),
    "showing.standby": ("대기 화면", "Standby"),
    "showing.notice": ("알림", "Notice"),
    "showing.occupancy": ("주차 현황", "Occupancy"),
    "showing.evacuation": ("대피 안내", "Evacuation"),
    "showing.nothing": ("아무것도 안 보임", "Nothing"),
    "generation": ("{n}세대", "generation {n}"),
    "sirens": ("사이렌", "Sirens"),
    "sirens.empty": ("사이렌이 등록되지 않았습니다.", "No siren is registered."),
    "sirens.empty_next": (
        "site 파일의 sirens에 사이렌을 더하세요.",
        "Add one under sirens in the site file.",
    ),
    "siren.silent": ("조용함", "Silent"),
    "siren.sounding": ("울리는 중", "Sounding"),
    "siren.silenced": ("소리 끔", "Silenced"),
    "siren.silence": ("사이렌 끄기", "Silence"),
    "siren.silence_what": (
        "{device}의 사이렌 소리만 끕니다. 경보와 대피 화면은 그대로입니다.",
        "Silences the siren of {device} only. Alarm and evacuation screens stay.",
    ),
    "silence.done": ("사이렌을 껐습니다.", "The siren is silenced."),
    "silence.refused": ("기기가 거절했습니다. 기기에서 직접 끄세요.", "The device refused. Silence it at the device."),
    "silence.expired": (
        "명령이 너무 늦게 닿았습니다. 다시 누르거나 기기에서 직접 끄세요.",
        "The command arrived too late. Press again or silence it at the device.",
    ),
    "silence.waiting": (
        "명령을 보냈으나 기기가 아직 답하지 않았습니다.",
        "The command is sent; the device has not answered yet.",
    ),
    # incidents
    "incidents": ("사건", "Incidents"),
    "incidents.empty": ("기록된 사건이 없습니다.", "No incident is recorded."),
    "incidents.empty_next": (
        "화재나 장애가 생기면 여기에 나타나고 문자가 갑니다.",
        "A fire or a fault appears here and sends messages.",
    ),
    "incident.fire": ("화재", "Fire"),
    "incident.trouble": ("장애", "Fault"),
    # fault kinds by what they begin with (`camera-cam-1`); the rest is who
    "fault.device-offline": ("기기 꺼짐 {who}", "device {who} offline"),
    "fault.camera": ("카메라 {who}", "camera {who}"),
    "fault.siren": ("사이렌 {who}", "siren {who}"),
    "fault.screen": ("화면 {who}", "screen {who}"),
    "fault.bay": ("주차면 {who}", "bay {who}"),
    "fault.gate": ("차량 출입구 {who}", "gate {who}"),
    "fault.people": ("사람 계수기 {who}", "people counter {who}"),
    "fault.agent": ("에이전트 {who}", "agent {who}"),
    "fault.clock": ("기기 {who} 시계", "clock of device {who}"),
    "fault.path-stalled": ("기기 {who} 측정값 미저장", "readings of device {who} not stored"),
    "fault.part-stalled": ("중앙 서비스 {who}", "central service {who}"),
    "incident.active": ("진행 중", "Active"),
    "incident.cleared": ("끝남", "Over"),
    "incident.late": ("지연 수신", "arrived late"),
    "incident.acknowledge": ("확인", "Acknowledge"),
    "incident.acknowledge_what": ("사건 {code} 확인", "Acknowledge incident {code}"),
    "incident.acknowledged": ("{who} 확인 {time}", "{who} acknowledged {time}"),
    "incident.opened": ("시작 {time}", "since {time}"),
    "incident.score": ("최고 점수 {n}", "highest score {n}"),
    "incident.events": ("보고 {n}회", "reports: {n}"),
    "incident.still": ("{code} 현장 사진", "Picture of {code}"),
    "alarm.title": ("화재 발생", "FIRE"),
    "alarm.where": ("{market} {zone}", "{market}, {zone}"),
    "alarm.heard": (
        "기기가 알렸으나 사건으로 아직 기록되지 않았습니다. 문자가 가지 않았을 수 있으니 직접 알리세요.",
        "A device reports it; no incident is recorded yet. Messages may not have gone out: tell people yourself.",
    ),
    "alarm.watch": ("현장 보기", "Go there"),
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
    # health
    "health": ("상태", "Health"),
    "health.ok": ("모든 부분이 정상입니다.", "Every part is working."),
    "health.degraded": ("정상이 아닌 부분이 있습니다.", "Some part is not working."),
    "health.part": ("부분", "Part"),
    "health.state": ("상태", "State"),
    "health.detail": ("자세히", "Detail"),
    "part.ok": ("정상", "OK"),
    "part.degraded": ("저하", "Degraded"),
    "part.stale": ("응답 없음", "Silent"),
    "part.down": ("중단", "Down"),
    "audit": ("최근 조작", "What people did"),
    "audit.who": ("누가", "Who"),
    "audit.action": ("무엇을", "What"),
    "audit.subject": ("대상", "To what"),
    "audit.sign-in": ("로그인", "signed in"),
    "audit.sign-in.failed": ("로그인 실패", "failed to sign in"),
    "audit.sign-out": ("로그아웃", "signed out"),
    "audit.incident.acknowledge": ("사건 확인", "acknowledged"),
    "audit.notice.push": ("알림 보냄", "sent a notice"),
    "audit.notice.withdraw": ("알림 내림", "withdrew a notice"),
    "audit.siren.silence": ("사이렌 끔", "silenced a siren"),
    "audit.camera.view": ("카메라 실시간 보기", "asked for a live view"),
    "audit.camera.stop-view": ("실시간 보기 끝냄", "ended a live view"),
    "audit.camera.watched": ("실시간 화면 봄", "watched a live view"),
    "audit.camera.accept-view": ("기준 화면 저장", "set a camera's reference picture"),
    "audit.camera.drill": ("시험 화재 시작", "started a test fire"),
    "audit.camera.stop-drill": ("시험 화재 끝냄", "ended a test fire"),
    "audit.camera.zones": ("화면 구역 바꿈", "changed a camera's zones"),
    "audit.dead_letter.replay": ("거절된 수신 다시 넣음", "asked to replay dead letters"),
    "audit.dead_letter.forget": ("거절된 수신 지움", "forgot a dead letter"),
    "audit.empty": ("기록이 없습니다.", "Nothing is recorded."),
    "when": ("때", "When"),
}


def translator(language: Language) -> Callable[..., str]:
    """`t(key, **values)`: the text in one language with its values in place. An unknown key is a defect: KeyError."""
    index = LANGUAGES.index(language)

    def translate(key: str, /, **values: object) -> str:
        return TEXTS[key][index].format(**values)

    return translate


def fault_text(translate: Callable[..., str], kind: str) -> str:
    """What a fault's kind means in words; a kind that nobody has worded yet stays as it is."""
    for key in TEXTS:
        start = key.removeprefix("fault.")
        if key == start or not kind.startswith(start):
            continue
        head, _, who = kind.removeprefix(start).partition("-")
        if head in {"", "s"} and who:
            return translate(key, who=who)
    return kind


def age_text(translate: Callable[..., str], age_s: float) -> str:
    """An age in words. console.js says the same in the browser."""
    if age_s < 1:
        return translate("now")
    for key, limit_s, unit_s in (("age_s", 60, 1), ("age_min", 3600, 60), ("age_h", 86400, 3600)):
        if age_s < limit_s:
            return translate(key, n=int(age_s // unit_s))
    return translate("age_d", n=int(age_s // 86400))
