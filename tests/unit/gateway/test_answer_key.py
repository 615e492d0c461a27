import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.snapshot import ClassRoute, Deployment, Model, Snapshot, Tenant
from ninefold.gateway.answer_key import AnswerKeys, idempotency_scope, request_digest

DEPLOYMENTS = tuple(Deployment(name=name, provider="openai", base_url="http://x", model="m") for name in ("one", "two", "three"))
MODEL = Model(
    name="fast", strategy="priority", deployments=("one",), classes=(ClassRoute(task_class="c", strategy="priority", deployments=("two",)),)
)
SNAPSHOT = Snapshot(version=1, digest="d", compiled_at=0.0, policy_version="p", deployments=DEPLOYMENTS, models=(MODEL,))
ACME = Tenant(name="acme", models=("fast",))


def call(body=None, **more):
    raw = body if isinstance(body, bytes) else json.dumps(body or {"model": "fast", "messages": []}).encode()
    return ModelCall(**({"operation": Operation.CHAT, "wire": Wire.OPENAI, "model": "fast", "body": raw} | more))


def key(tenant=ACME, snapshot=SNAPSHOT, policies="p", **more):
    return AnswerKeys(snapshot).key(tenant, call(**more), policies)


names = st.text(min_size=1, max_size=12)
tenants = st.builds(Tenant, name=names, models=st.lists(names, max_size=3).map(tuple), regions=st.lists(names, max_size=2).map(tuple))


@given(tenants, tenants)
def test_two_tenants_never_share_a_key(one, other):
    assert (key(one) == key(other)) == (
        one.name == other.name and sorted(one.models) == sorted(other.models) and one.regions == other.regions
    )


@given(st.lists(names, min_size=3, max_size=3), st.lists(names, min_size=3, max_size=3))
def test_a_scope_is_nobody_elses(one, other):
    assert (idempotency_scope(*one) == idempotency_scope(*other)) == (one == other)


def test_parts_do_not_run_into_each_other():
    assert len({idempotency_scope("ab", "c", "d"), idempotency_scope("a", "bc", "d"), idempotency_scope("a", "b", "cd")}) == 3
    assert key(regions=("a", "b")) != key(regions=("ab",)) != key(task_class="ab")


documents = st.dictionaries(
    names, st.one_of(st.integers(), st.booleans(), st.text(max_size=5), st.lists(st.integers(), max_size=3)), max_size=5
)


@given(documents, documents)
def test_two_bodies_share_a_digest_only_where_they_say_the_same(one, other):
    said = [json.dumps(sorted(each.items(), key=str)) for each in (one, other)]
    assert (request_digest(call(one)) == request_digest(call(other))) == (said[0] == said[1]) or one == {} or other == {}


@given(documents.filter(bool), st.randoms(use_true_random=False))
def test_the_order_of_members_says_nothing(document, random):
    items = list(document.items())
    random.shuffle(items)
    assert request_digest(call(dict(items))) == request_digest(call(document))


def test_who_owns_a_request_is_not_what_it_asks():
    plain = request_digest(call({"model": "fast", "metadata": {"keep": "x"}}))
    assert request_digest(call({"model": "fast", "metadata": {"keep": "x", "product": "p", "task_id": "7"}})) == plain
    assert request_digest(call({"model": "fast", "metadata": {"keep": "x"}}, attribution=(("product", "p"),))) == plain
    assert request_digest(call({"model": "fast", "metadata": {"keep": "y"}})) != plain
    assert request_digest(call({"model": "fast", "metadata": "keep"})) != plain
    assert request_digest(call({"model": "fast", "metadata": {"product": "p"}})) == request_digest(call({"model": "fast"}))


def test_numbers_that_a_decoder_cannot_tell_apart_stay_different():
    assert request_digest(call(b'{"seed":1180591620717411303424}')) != request_digest(call(b'{"seed":1180591620717411303425}'))
    assert request_digest(call(b'{"t":0.1}')) != request_digest(call(b'{"t":0.10000000000000000001}'))


def test_whatever_changes_an_answer_changes_the_key():
    different = [
        key(),
        key(stream=True),
        key(wire=Wire.ANTHROPIC),
        key(operation=Operation.EMBEDDINGS),
        key(task_class="c"),
        key(regions=("eu",)),
        key(forward_headers={b"anthropic-beta": b"x"}),
        key(path="/v1/x"),
        key(body={"model": "fast", "messages": [1]}),
        key(policies="q"),
        key(replace(ACME, models=("fast", "slow"))),
        key(replace(ACME, max_output_tokens=10)),
    ]
    assert len(set(different)) == len(different)


def test_a_key_knows_every_deployment_that_could_answer_and_no_other():
    def changed(name):
        return replace(SNAPSHOT, deployments=tuple(replace(each, model="new") if each.name == name else each for each in DEPLOYMENTS))

    assert key(snapshot=changed("one")) != key()
    assert key(snapshot=changed("two")) != key()
    assert key(snapshot=changed("three")) == key()
    assert key(snapshot=replace(SNAPSHOT, models=(replace(MODEL, strategy="fastest"),))) != key()
    assert key(snapshot=replace(SNAPSHOT, version=2)) == key()


def test_bodies_that_are_no_objects_have_digests_too():
    assert request_digest(call(b"--boundary")) != request_digest(call(b"--boundary2"))
    assert request_digest(call(b"[1]")) != request_digest(call(b"[2]"))
