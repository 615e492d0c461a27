from hypothesis import given
from hypothesis import strategies as st

from ninefold.domain.allowance import Account, Ask, AskItem, Holder, Measure, Report
from ninefold.domain.lending import AccountRow, LeaseRow, Lending, refill

ME, OTHER = Holder(worker="me", epoch=1), Holder(worker="other", epoch=1)
BUCKET = Account(account_id="l", tenant="acme", source_id="l", measure=Measure.TOKENS, capacity=7, period_s=60)
BUDGET = Account(account_id="b", tenant="acme", source_id="b", measure=Measure.NANOS, capacity=1000, window="total")


@given(steps=st.lists(st.floats(0, 30), min_size=1, max_size=40))
def test_a_bucket_refills_the_same_in_one_step_or_in_many(steps):
    """Fractions of a unit are neither lost nor given twice."""
    many, one = AccountRow(account=BUCKET, spent=1000), AccountRow(account=BUCKET, spent=1000)
    now = 0.0
    for step in steps:
        now += step
        refill(many, now)
    refill(one, now)
    assert one.spent <= many.spent <= one.spent + 1
    assert many.spent >= 1000 - now * 7 / 60 - 1


def test_a_clock_that_goes_back_refills_nothing():
    row = AccountRow(account=BUCKET, spent=7, refilled_us=100_000_000)
    refill(row, 50.0)
    assert (row.spent, row.refilled_us) == (7, 100_000_000)


amounts = st.integers(0, 1500)


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("ask"), st.sampled_from([ME, OTHER]), amounts, amounts),
            st.tuples(st.just("report"), st.sampled_from([ME, OTHER]), amounts, amounts, amounts),
            st.tuples(st.just("die"), st.sampled_from([ME, OTHER]), amounts),
        ),
        max_size=30,
    )
)
def test_whatever_holders_say_the_books_balance(steps):
    """Even a holder that reports nonsense cannot make spent + outstanding exceed capacity + overrun, or an outstanding negative."""
    row = AccountRow(account=BUDGET)
    leases = {holder: LeaseRow(account_id="b", holder=holder, live=True) for holder in (ME, OTHER)}
    for kind, holder, *values in steps:
        lending = Lending(holder, {"b": row}, leases.values(), workers=2, now=5.0)
        if kind == "ask":
            lending.lend(Ask(items=(AskItem(account=BUDGET, minimum=values[0], wanted=sum(values)),), recall=True))
        elif kind == "report":
            lending.book(Report(account_id="b", spent=values[0], returned=values[1], overrun=values[2], recall_seen=0))
        else:
            lending.settle_dead({"b": values[0]})
        assert all(lease.outstanding >= 0 for lease in leases.values())
        assert row.outstanding == sum(lease.outstanding for lease in leases.values())
        assert row.spent == sum(lease.spent for lease in leases.values())
        assert row.spent + row.outstanding <= BUDGET.capacity + row.overrun
