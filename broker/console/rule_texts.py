"""The texts of the rules' pages, in Korean and in English; a part of `texts.TEXTS`, and the problems that they name."""

from collections.abc import Mapping

RULE_TEXTS: Mapping[str, tuple[str, str]] = {
    "nav.rules": ("규칙", "Rules"),
    "rules": ("측정값 규칙", "Rules over the readings"),
    "rules.what": (
        "측정값이 정한 조건을 정한 시간 동안 채우면 사건이 됩니다. 값이 오지 않는 동안은 울리지도 풀리지도 않습니다.",
        "What meets a condition for some time becomes an incident. While no value comes nothing fires or clears.",
    ),
    "rules.files": (
        "규칙은 서버의 rules_dir 폴더에 있는 파일에서 바꿉니다. 고치면 10초 안에 적용됩니다.",
        "Rules are changed in the files of the server's rules_dir folder; a change counts within 10 seconds.",
    ),
    "rules.none": ("규칙이 없습니다.", "There are no rules."),
    "rules.none_next": (
        "설정에 rules_dir를 적고 그 폴더에 규칙 파일을 두면 여기에 나타납니다.",
        "Name a rules_dir in the settings and put files of rules into it: they appear here.",
    ),
    "rules.wrong": (
        "규칙 파일에 잘못이 있어 고치기 전 규칙을 계속 씁니다:",
        "The files hold a mistake; the rules from before it stay in use:",
    ),
    "rules.rule": ("규칙", "Rule"),
    "rules.asks": ("조건", "Condition"),
    "rules.about": ("대상", "About"),
    "rules.becomes": ("사건", "Becomes"),
    "rules.now": ("지금", "Now"),
    "rules.everywhere": ("모든 시장", "all markets"),
    "rules.ask.above": ("{field} {value} 초과", "{field} above {value}"),
    "rules.ask.below": ("{field} {value} 미만", "{field} below {value}"),
    "rules.ask.equals": ("{field} 값이 {value}", "{field} is {value}"),
    "rules.ask.not_equals": ("{field} 값이 {value} 아님", "{field} is not {value}"),
    "rules.ask.fault": ("고장(값을 모름)", "at fault (value unknown)"),
    "rules.clear": ("{value}에 이르면 끝", "over at {value}"),
    "rules.for": ("{n}초 동안", "for {n} s"),
    "rules.clear_for": ("끝은 {n}초 동안", "its end for {n} s"),
    "rules.level.watch": ("주의", "watch"),
    "rules.level.alarm": ("경보", "alarm"),
    "rules.quiet": ("조용함", "quiet"),
    "rules.firing": ("울림 {n}", "{n} firing"),
    "rules.waiting": ("기다림 {n}", "{n} waiting"),
    "rules.since": ("{time}부터", "since {time}"),
    "rules.more": ("그 밖에 {n}", "{n} more"),
    "dry_run": ("시험 실행", "Dry run"),
    "dry_run.what": (
        "지난 측정값으로 규칙이 언제 울렸을지 봅니다. 사건도 문자도 만들지 않습니다.",
        "Shows from past readings when a rule would have fired. Raises nothing and tells nobody.",
    ),
    "dry_run.right": (
        "관리자만 시작할 수 있습니다. 관리자에게 부탁하세요.",
        "Only managers may start one. Ask one of them.",
    ),
    "dry_run.market": ("시장", "Market"),
    "dry_run.month": ("달", "Month"),
    "dry_run.start": ("시험 실행", "Run dry"),
    "dry_run.kept": ("지난 시험 실행", "Dry runs so far"),
    "dry_run.state.running": ("읽는 중", "reading"),
    "dry_run.state.done": ("끝남", "done"),
    "dry_run.state.failed": ("끝내지 못함", "not finished"),
    "dry_run.progress": ("{of}곳 가운데 {n}곳을 읽었습니다.", "{n} of {of} have been read."),
    "dry_run.looking": ("무엇이 있는지 찾고 있습니다.", "Looking for what there is."),
    "dry_run.reload": ("새로 고침", "Look again"),
    "dry_run.failed": (
        "측정값 저장소가 답하지 않아 끝내지 못했습니다. 아래는 그때까지 읽은 것입니다. 다시 시작하세요.",
        "The readings' store did not answer; below is what was read until then. Start it again.",
    ),
    "dry_run.nothing": (
        "이 달에 이 규칙이 볼 측정값이 없습니다. 아무것도 말할 수 없습니다.",
        "There is no reading for this rule in this month: nothing can be said.",
    ),
    "dry_run.never": ("한 번도 울리지 않았을 것입니다.", "It would never have fired."),
    "dry_run.total": (
        "{of}곳 가운데 {n}곳에서 {count}번 울렸을 것입니다. 모두 {all}, 가장 긴 것은 {longest}.",
        "It would have fired on {n} of {of}. Firings: {count}, {all} in all, {longest} the longest.",
    ),
    "dry_run.known": (
        "값을 아는 시간은 {share}입니다. 나머지 시간에는 무엇이 있었는지 알 수 없습니다.",
        "Values are known for {share} of the time; what was in the rest nobody knows.",
    ),
    "dry_run.subject": ("대상", "Subject"),
    "dry_run.count": ("횟수", "Times"),
    "dry_run.long": ("울린 시간", "For how long"),
    "dry_run.when": ("언제", "When"),
    "dry_run.line": ("{name}: {n}번, 모두 {all}", "{name}: firings {n}, {all} in all"),
    "dry_run.firing": ("{time}부터 {long}", "{time}, for {long}"),
    "dry_run.still": ("아직 울림", "still firing"),
    "dry_run.list": ("시각 보기", "Times"),
    "dry_run.back": ("규칙으로 돌아가기", "Back to the rules"),
    "audit.rule.dry_run": ("규칙 시험 실행", "ran a rule dry"),
    "fault.rule": ("규칙 {who}", "rule {who}"),
    "fault.sensor": ("센서 {who}", "sensor {who}"),
}

RULE_PROBLEMS: Mapping[str, tuple[str, str]] = {
    "rule": (
        "'{rule}' 규칙이 없습니다. 규칙 페이지에서 고르세요.",
        "there is no rule '{rule}': choose one on the rules' page",
    ),
    "rule_month": (
        "'{month}'은(는) 고를 수 있는 달이 아닙니다. 목록에서 고르세요.",
        "'{month}' is no month that can be chosen: take one of the list",
    ),
    "dry_run": (
        "{n}번 시험 실행은 남아 있지 않습니다. 다시 시작하세요.",
        "dry run {n} is no longer kept: start it again",
    ),
    "dry_run_busy": (
        "다른 시험 실행이 진행 중입니다. 끝난 뒤에 다시 하세요.",
        "another dry run is going on: try again when it is done",
    ),
}
