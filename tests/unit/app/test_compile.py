"""From the configuration to the snapshot: exact money, stable ids, digests that change with what they stand for."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from ninefold.app.compile import LOCAL_PRICE, compile_snapshot, key_digest
from ninefold.app.config import load_config
from ninefold.app.config_problem import ConfigInvalid
from ninefold.app.secrets import Secrets
from ninefold.domain.money import Price
from ninefold.domain.snapshot import Budget, Key, Limit, SecretRef, Snapshot, Timeouts
from ninefold.finops.catalogue import DatedCatalogue, DatedPrice
from ninefold.wire.dialects.vendors import VENDORS

SECRETS = {"ACME_KEY": "abc", "OPENAI_API_KEY": "sk-1", "ANTHROPIC_API_KEY": "sk-2"}
LIST_PRICE = Price(version="list", input_per_million=1, output_per_million=2, cached_input_per_million=1, cache_write_per_million=1)
CATALOGUE = DatedCatalogue([DatedPrice(provider="anthropic", model="claude-haiku-4-5", effective_from=0.0, price=LIST_PRICE)])


def snapshot(
    tmp_path: Path,
    text: str,
    stored: Sequence[Key] = (),
    *,
    version: int = 1,
    now: float = 1000.0,
    secrets: dict[str, str] | None = None,
    warnings: list[str] | None = None,
) -> Snapshot:
    file = tmp_path / "ninefold.yaml"
    file.write_text(text, encoding="utf-8")
    told: list[str] = [] if warnings is None else warnings
    read = Secrets(SECRETS if secrets is None else secrets).read
    return compile_snapshot(load_config(file, {}), stored, version=version, now=now, resolve=read, catalogue=CATALOGUE, warn=told.append)


def stored(**changes: object) -> Key:
    return dataclasses.replace(Key(key_id="k1", name="made", tenant="acme", digest=key_digest("made")), **changes)


def test_the_example_compiles_to_exact_values(tmp_path: Path, example: str):
    told: list[str] = []
    found = snapshot(tmp_path, example, warnings=told)
    openai, claude, embed, reader = found.deployments
    assert openai.api_key == SecretRef(kind="env", where="OPENAI_API_KEY")
    assert openai.price is not None
    assert (openai.price.input_per_million, openai.price.output_per_million, openai.price.cached_input_per_million) == (
        250_000_000,
        2_000_000_000,
        25_000_000,
    )
    assert openai.price.version.startswith("config:")
    assert (openai.operations, claude.operations) == (VENDORS["openai"].operations, VENDORS["anthropic"].operations)
    assert claude.price == LIST_PRICE
    assert (embed.operations, reader.operations) == (("embeddings", "rerank"), ("chat", "count_tokens"))
    assert {embed.base_url, reader.base_url} == {f"unix:{tmp_path}/.ninefold/run/worker.sock"}
    assert {embed.price, reader.price} == {LOCAL_PRICE}
    assert (found.models[0].name, found.models[0].deployments, found.models[0].max_attempts) == ("fast", ("openai-eu", "claude-us"), 3)
    assert found.models[0].timeouts == Timeouts(connect_s=5.0, first_token_s=5.0, idle_s=20.0, total_s=120.0)
    (acme,) = found.tenants
    assert acme.budgets == (Budget(budget_id="acme/budget/month", limit_nanos=5_000_000_000, window="month"),)
    assert acme.limits == (
        Limit(limit_id="acme/limit/requests_per_minute", measure="requests", amount=600, period_s=60),
        Limit(limit_id="acme/limit/tokens_per_minute", measure="tokens", amount=200_000, period_s=60),
        Limit(limit_id="acme/limit/concurrent_requests", measure="concurrent", amount=50, period_s=0),
    )
    (key,) = found.keys
    assert key.digest == hashlib.sha256(b"abc").hexdigest()
    assert told == []


def test_no_secret_stands_in_a_snapshot(tmp_path: Path, example: str):
    found = repr(snapshot(tmp_path, example, secrets={name: f"hunter2-{name}" for name in SECRETS}))
    assert "hunter2" not in found


def test_ids_live_through_a_change_of_every_number(tmp_path: Path, example: str):
    before = snapshot(tmp_path, example)
    changed = example.replace("limit_usd: 5.00", "limit_usd: 7.00").replace("600", "700")
    after = snapshot(tmp_path, changed, version=2, secrets={**SECRETS, "ACME_KEY": "rotated"})
    assert before.tenants != after.tenants
    assert before.keys[0].digest != after.keys[0].digest
    assert [key.key_id for key in before.keys] == [key.key_id for key in after.keys]
    for ids in (lambda each: [b.budget_id for b in each.budgets], lambda each: [b.limit_id for b in each.limits]):
        assert ids(before.tenants[0]) == ids(after.tenants[0])


def test_digests_change_with_content_and_with_nothing_else(tmp_path: Path, example: str):
    first = snapshot(tmp_path, example, version=1, now=1.0)
    again = snapshot(tmp_path, example, version=2, now=2.0)
    assert (first.digest, first.policy_version) == (again.digest, again.policy_version)
    moved = snapshot(tmp_path, example.replace("region: eu", "region: us"))
    assert moved.digest != first.digest
    assert moved.policy_version == first.policy_version
    dearer = snapshot(tmp_path, example.replace("limit_usd: 5.00", "limit_usd: 5.01"))
    assert dearer.policy_version != first.policy_version


def test_a_key_without_its_variable_is_left_out_by_name(tmp_path: Path, example: str):
    told: list[str] = []
    found = snapshot(tmp_path, example, secrets={"OPENAI_API_KEY": "x", "ANTHROPIC_API_KEY": "y"}, warnings=told)
    assert found.keys == ()
    assert len(told) == 1
    assert all(word in told[0] for word in ("ci", "acme", "ACME_KEY"))


def test_a_deployment_without_its_credential_stays_and_is_told(tmp_path: Path, example: str):
    told: list[str] = []
    found = snapshot(tmp_path, example, secrets={"ACME_KEY": "x", "ANTHROPIC_API_KEY": "y"}, warnings=told)
    assert len(found.deployments) == 4
    assert len(told) == 1
    assert "OPENAI_API_KEY" in told[0]


def test_a_model_that_nobody_can_price_stays_unpriced_and_is_told(tmp_path: Path, example: str):
    told: list[str] = []
    found = snapshot(tmp_path, example.replace("claude-haiku-4-5", "claude-unheard-of"), warnings=told)
    assert found.deployments[1].price is None
    assert len(told) == 1
    assert "claude-unheard-of" in told[0]


def test_own_prices_by_date_stand_before_the_catalogue(tmp_path: Path, example: str):
    rates = "input_per_million: 1, output_per_million: 5"
    own = f"prices:\n  - {{provider: anthropic, model: claude-haiku-4-5, effective_from: 1970-01-02, {rates}}}\n"
    before, after = (snapshot(tmp_path, example + own, now=now).deployments[1].price for now in (86_399.0, 86_400.0))
    assert before == LIST_PRICE
    assert after is not None
    # Anthropic's own shares of the input price: a tenth for reads, five quarters for writes.
    assert (after.input_per_million, after.cached_input_per_million, after.cache_write_per_million) == (10**9, 10**8, 125 * 10**7)


def test_stored_keys_join_the_files(tmp_path: Path, example: str):
    found = snapshot(tmp_path, example, [stored()])
    assert [key.name for key in found.keys] == ["ci", "made"]


def test_a_stored_key_of_a_tenant_that_has_gone_is_left_out(tmp_path: Path, example: str):
    told: list[str] = []
    found = snapshot(tmp_path, example, [stored(tenant="gone")], warnings=told)
    assert [key.name for key in found.keys] == ["ci"]
    assert "gone" in told[0]


@pytest.mark.parametrize(
    ("changes", "what"), [({"digest": key_digest("abc")}, "secret"), ({"key_id": "acme/key/ci"}, "id"), ({"name": "ci"}, "name")]
)
def test_a_stored_key_that_clashes_with_the_files_is_refused_at_its_line(
    tmp_path: Path, example: str, changes: dict[str, object], what: str
):
    with pytest.raises(ConfigInvalid) as caught:
        snapshot(tmp_path, example, [stored(**changes)])
    (found,) = caught.value.problems
    assert f"the same {what} as" in found.message
    assert (found.line, found.path) == (20, "tenants[0].keys[0]")


def test_one_secret_in_two_variables_of_two_tenants_is_refused(tmp_path: Path, example: str):
    text = example.replace("policies:", "  - {name: other, keys: [{name: k, secret: {env: OTHER_KEY}}]}\npolicies:")
    with pytest.raises(ConfigInvalid) as caught:
        snapshot(tmp_path, text, secrets={**SECRETS, "OTHER_KEY": "abc"})
    (found,) = caught.value.problems
    assert "the same secret as key ci" in found.message
    assert "abc" not in found.message


def test_a_tenant_may_refuse_what_nobody_owns(tmp_path: Path):
    text = "tenants:\n  - {name: a, attribution: {required: true}}\n  - {name: b, attribution: {product: p, task_id: t}}\n  - {name: c}\n"
    assert [each.attribution for each in snapshot(tmp_path, text).tenants] == [None, (("product", "p"), ("task_id", "t")), ()]


def test_relative_files_start_at_the_configurations_folder(tmp_path: Path):
    (tmp_path / "key").write_text("abc\n", encoding="utf-8")
    text = (
        "deployments:\n  - {name: d, provider: openai, model: m, ca_file: ca.pem, price: {input_per_million: 0, output_per_million: 0}}\n"
        "  - {name: g, provider: local, model: models/x.gguf}\n"
        "tenants:\n  - {name: a, keys: [{name: k, secret: {file: key}, expires_at: 2027-01-01}]}\n"
    )
    found = snapshot(tmp_path, text)
    assert found.deployments[0].ca_file == str(tmp_path / "ca.pem")
    assert found.deployments[0].base_url == "https://api.openai.com/v1"
    assert found.deployments[1].model == str(tmp_path / "models/x.gguf")
    assert (found.keys[0].digest, found.keys[0].expires_at) == (key_digest("abc"), 1798761600.0)
