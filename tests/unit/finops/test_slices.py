from collections import deque

from ninefold.domain.allowance import Account, Lent, Measure
from ninefold.domain.snapshot import Budget, Limit, Tenant
from ninefold.finops.slices import Slice, Waiter, asks_of, open_books, put_back, take

BUDGET = Account(account_id="b", tenant="acme", source_id="b", measure=Measure.NANOS, capacity=1000, window="total")
SLOTS = Account(account_id="c", tenant="acme", source_id="c", measure=Measure.CONCURRENT, capacity=5)


def lent(granted, *, spent=0, returned=0, overrun=0, recall_seen=0, recall_seq=0, tight=False):
    return Lent(account_id="b", granted=granted, spent=spent, returned=returned, overrun=overrun, recall_seen=recall_seen,
                recall_seq=recall_seq, tight=tight)  # fmt: skip


def balanced(one: Slice) -> bool:
    return one.granted + one.overrun == one.returned + one.spent + one.held + one.free and one.free >= 0


def test_what_is_taken_is_taken_from_all_or_from_none():
    money, slots = Slice(BUDGET), Slice(SLOTS)
    money.learn(lent(100))
    assert not take((money, slots), (100, 1, 0, 0, 0, 1))
    assert money.free == 100
    slots.learn(lent(1))
    assert take((money, slots), (100, 1, 0, 0, 0, 1))
    assert (money.free, slots.free, money.held) == (0, 0, 100)
    put_back((money, slots), (100, 1, 0, 0, 0, 1))
    assert (money.free, slots.free) == (100, 1)


def test_a_reply_that_was_lost_is_made_good_by_the_next_and_an_old_one_changes_nothing():
    one = Slice(BUDGET)
    one.learn(lent(100))
    one.learn(lent(250))
    assert one.free == 250
    one.learn(lent(100))
    assert one.free == 250


def test_a_slice_that_was_forgotten_starts_from_what_the_store_remembers():
    one = Slice(BUDGET)
    assert one.charge(5, 5) == 5, "before anything was leased, all of it is overrun"
    one.learn(lent(500, spent=120, returned=300, overrun=20))
    assert one.free == 100
    assert one.totals() == (125, 300, 25, 0)
    assert balanced(one)


def test_overrun_is_only_what_free_does_not_cover():
    one = Slice(BUDGET)
    one.learn(lent(100))
    take((one,), (40, 0, 0, 0, 0, 0))
    assert one.charge(60, 20) == 0, "the slice had it"
    assert (one.free, one.held) == (40, 0)
    take((one,), (40, 0, 0, 0, 0, 0))
    assert one.charge(47, 7) == 7
    assert (one.free, one.overrun, one.spent) == (0, 7, 107)
    assert balanced(one)


def test_a_recall_is_answered_with_everything_free_and_not_with_what_is_held():
    one = Slice(BUDGET)
    one.learn(lent(100, recall_seq=3))
    take((one,), (30, 0, 0, 0, 0, 0))
    one.answer_recall()
    assert (one.free, one.returned, one.held, one.recall_seen) == (0, 70, 30, 3)


def test_idle_slices_shrink_by_halves():
    one = Slice(BUDGET)
    one.learn(lent(800))
    one.target = 800
    frees = []
    for _ in range(4):
        one.review()
        frees.append(one.free)
    assert frees == [400, 200, 100, 50]


def test_a_slice_that_ran_dry_doubles_and_stays_below_its_account():
    one = Slice(BUDGET)
    one.ran_dry(10)
    first = one.target
    one.ran_dry(10)
    assert one.target == 2 * first
    for _ in range(20):
        one.ran_dry(10)
    assert one.target == 1000


def test_books_keep_known_slices_and_a_smaller_account_gives_back():
    def tenant(nanos):
        return Tenant(name="acme", budgets=(Budget(budget_id="b", limit_nanos=nanos, window="hour"),
                                            Budget(budget_id="t", limit_nanos=nanos, window="total")),
                      limits=(Limit(limit_id="c", measure="concurrent", amount=5, period_s=0),))  # fmt: skip

    slices, line = {}, deque()
    books = open_books(tenant(1000), 7200.5, slices, line)
    assert (books.since, books.until) == (7200, 10800)
    assert [one.account.measure.value for one in books.slices] == ["nanos", "nanos", "concurrent"]
    hour = books.slices[0]
    hour.learn(lent(500))
    assert open_books(tenant(1000), 7300, slices, line).slices[0] is hour
    assert hour.free == 500
    open_books(tenant(900), 7300, slices, line)
    assert (hour.free, hour.returned, hour.account.capacity) == (0, 500, 900)
    assert open_books(tenant(900), 10800, slices, line).slices[0] is not hour


def test_asks_are_for_what_is_missing_in_order():
    one = Slice(BUDGET)
    one.learn(lent(50))
    line = deque(Waiter(slices=(one,), needs=(30, 0, 0, 0, 0, 0), served=None, first_until=0.0) for _ in range(3))
    first, second, third = asks_of(line, 10)
    assert (first.items, first.recall) == ((), True)
    assert [(ask.items[0].minimum, ask.items[0].whole) for ask in (second, third)] == [(10, 30), (30, 30)]
    assert not asks_of(line, 10)[0].recall
