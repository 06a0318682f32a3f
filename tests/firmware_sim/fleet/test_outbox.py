import random

from firmware_sim.fleet.outbox import MemoryOutbox, OutboxRules, Row

RULES = OutboxRules(rows_max=10, window=4, backlog_window=2, backlog_per_s=2, resend_after_s_max=40)
OLD_MS, NOW_MS = 1_790_000_000_000, 1_790_000_100_000


def empty() -> MemoryOutbox:
    return MemoryOutbox(RULES, random.Random(1))


def filled(count: int) -> MemoryOutbox:
    outbox = empty()
    for _ in range(count):
        put(outbox, OLD_MS)
    return outbox


def put(outbox: MemoryOutbox, made_unix_ms: int = NOW_MS) -> Row:
    seq = outbox.next_seq()
    row = Row(seq, b"topic", b"body", made_unix_ms + seq, 20)
    outbox.put(row)
    return row


def due(outbox: MemoryOutbox, now_s: float) -> list[int]:
    found = []
    for row in outbox.due(now_s):
        outbox.sent(row, now_s)
        found.append(row.seq)
    return found


def test_over_the_bound_the_oldest_goes_and_is_counted() -> None:
    outbox = filled(13)
    assert len(outbox) == 10
    assert outbox.dropped_readings_count == 60
    assert outbox.oldest_unix_ms() == OLD_MS + 4


def test_a_backlog_begins_by_chance_and_goes_oldest_first_at_its_pace() -> None:
    outbox = filled(8)
    outbox.connected(100.0, NOW_MS)
    begun = [now_s for now_s in range(100, 121) if due(outbox, float(now_s))]
    assert 100 < begun[0] <= 120


def test_a_backlog_stays_within_its_window_and_pace() -> None:
    outbox = filled(8)
    outbox.connected(0.0, NOW_MS)
    first = due(outbox, 30.0)
    assert first == [1, 2], "the backlog's window"
    list(outbox.delivered(first))
    assert due(outbox, 30.5) == [3]
    list(outbox.delivered([3]))
    assert due(outbox, 30.6) == [], "two a second"
    assert due(outbox, 31.0) == [4]


def test_what_begins_of_a_thousand_backlogs_is_spread() -> None:
    begins = []
    for seed in range(1000):
        outbox = MemoryOutbox(RULES, random.Random(seed))
        put(outbox, OLD_MS)
        outbox.connected(0.0, NOW_MS)
        begins.append(next(now_s for now_s in range(22) if due(outbox, float(now_s))))
    assert max(begins.count(second) for second in range(22)) < 100


def test_what_gets_no_receipt_is_sent_again_ever_more_patiently() -> None:
    outbox = empty()
    outbox.connected(0.0, NOW_MS)
    outbox.sent(put(outbox), 0.0)
    sent_s = [now_s for now_s in range(1, 200) if due(outbox, float(now_s))]
    assert sent_s == [15, 45, 85, 125, 165]


def test_a_store_that_is_only_slow_gets_one_batch_again_and_the_next_when_that_is_receipted() -> None:
    outbox = empty()
    outbox.connected(0.0, NOW_MS)
    for _ in range(4):
        outbox.sent(put(outbox), 0.0)
    assert [due(outbox, float(now_s)) for now_s in (15, 16, 44)] == [[1], [], []]
    list(outbox.delivered([1]))
    assert [due(outbox, float(now_s)) for now_s in (45, 46)] == [[2], []]


def test_what_a_later_receipt_has_overtaken_is_sent_again_at_once() -> None:
    outbox = empty()
    outbox.connected(0.0, NOW_MS)
    for now_s in range(4):
        outbox.sent(put(outbox), float(now_s))
    list(outbox.delivered([3]))
    assert due(outbox, 30.0) == [1, 2, 4], "two that were overtaken, and one to find out"


def test_what_is_on_its_way_is_not_what_goes_first() -> None:
    outbox = empty()
    outbox.connected(0.0, NOW_MS)
    for _ in range(2):
        outbox.sent(put(outbox), 0.0)
    for _ in range(10):
        put(outbox)
    assert sorted(row.seq for row in outbox.delivered(range(1, 20))) == [1, 2, *range(5, 13)]


def test_after_a_reconnect_what_is_live_and_unreceipted_is_sent_again_at_once() -> None:
    outbox = empty()
    outbox.connected(0.0, NOW_MS)
    for _ in range(5):
        outbox.sent(put(outbox), 0.0)
    list(outbox.delivered([2]))
    assert not outbox.may_send()
    outbox.connected(5.0, NOW_MS)
    assert due(outbox, 5.0) == [1, 3, 4, 5], "the window is empty again"


def test_live_batches_go_before_the_backlog_and_wait_for_room() -> None:
    outbox = filled(2)
    live = [put(outbox) for _ in range(6)]
    outbox.connected(0.0, NOW_MS)
    assert due(outbox, 30.0) == [3, 4, 5, 6]
    assert not outbox.may_send()
    outbox.unsent(put(outbox))
    list(outbox.delivered(row.seq for row in live[:4]))
    assert due(outbox, 31.0) == [7, 8, 9]
    list(outbox.delivered([7, 8]))
    assert due(outbox, 32.0) == [1]
    assert outbox.waiting_readings_count() == 60
