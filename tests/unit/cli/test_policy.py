"""`ninefold policy`: what it prints and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ninefold.cli.main import main

POLICY = """policy: caution
owner: security
match: {tenant: acme}
deny_if: [max_output_tokens > 1000]
require_approval_for: [{product: payments}]
if_missing: {product: ignore}
"""
CASES = """cases:
  - name: within bounds
    facts: {tenant: acme, max_output_tokens: 1000}
    expect: {verdict: allow, reasons: []}
  - name: too long
    facts: {tenant: acme, max_output_tokens: 1001}
    expect: {verdict: deny, reasons: [deny_if.max_output_tokens]}
  - name: payments
    facts: {tenant: acme, max_output_tokens: 1, product: payments}
    expect: {verdict: require_approval, obligations: {require_approval: product}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "caution.yaml").write_text(POLICY)
    (tmp_path / "caution.tests.yaml").write_text(CASES)
    return tmp_path / "caution.yaml"


def asked(capsys, *words) -> tuple[int, dict, str]:
    status = main(["policy", *map(str, words), "--json"])
    said = capsys.readouterr()
    return status, json.loads(said.out) if said.out else {}, said.err


def test_a_sound_policy_passes(file, capsys):
    assert asked(capsys, "check", file, "--strict") == (0, {"files": 1, "remarks": []}, "")


def test_errors_fail_and_warnings_only_where_they_are_asked_to(file, capsys):
    file.write_text(POLICY.replace("owner: security\n", ""))
    status, found, _ = asked(capsys, "check", file)
    assert (status, [(each["kind"], each["severity"]) for each in found["remarks"]]) == (0, [("ownerless", "warning")])
    assert asked(capsys, "check", file, "--strict")[0] == 1
    file.write_text(POLICY.replace("deny_if", "deny_fi"))
    status, found, _ = asked(capsys, "check", file)
    (remark,) = found["remarks"]
    assert (status, remark["line"], remark["kind"]) == (1, 4, "unknown_key")
    assert "'deny_if'" in remark["message"]


def test_cases_pass_and_fail(file, capsys):
    status, found, _ = asked(capsys, "test", file, file.with_name("caution.tests.yaml"))
    assert (status, found["failed"], [each["case"] for each in found["cases"]]) == (0, 0, ["within bounds", "too long", "payments"])
    file.write_text(POLICY.replace("> 1000", "> 2000").replace("payments", "wires"))
    status, found, _ = asked(capsys, "test", file)
    assert (status, [each["passed"] for each in found["cases"]]) == (1, [True, False, False])
    assert found["cases"][1]["wrong"][0].startswith("verdict allow, expected deny")
    assert "no reason deny_if.max_output_tokens" in found["cases"][1]["wrong"]
    assert "obligation require_approval: none, expected product" in found["cases"][2]["wrong"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("verdict: allow", "verdict: yes", "the verdict is one of"),
        ("expect:", "expects:", "did you mean 'expect'?"),
        ("cases:", "case:", "did you mean 'cases'?"),
        ("tenant: acme,", "tenant: [acme],", "the fact tenant needs"),
    ],
)
def test_cases_that_cannot_be_read_are_refused_with_their_line(file, capsys, old, new, message):
    file.with_name("caution.tests.yaml").write_text(CASES.replace(old, new, 1))
    status, _, err = asked(capsys, "test", file)
    assert status == 1
    assert message in json.loads(err)["detail"]
    assert json.loads(err)["errors"][0]["line"] > 0


def test_a_diff_names_clauses_and_the_cases_that_change(file, tmp_path, capsys):
    after = tmp_path / "after.yaml"
    after.write_text(POLICY.replace("> 1000", "> 2000").replace("owner: security", "owner: finance"))
    status, found, _ = asked(capsys, "diff", file, after)
    assert status == 0
    assert (found["gone"], found["new"]) == (["deny if: max_output_tokens > 1000"], ["deny if: max_output_tokens > 2000"])
    assert found["changed"] == [{"case": "too long", "before": "deny, deny_if.max_output_tokens", "after": "allow"}]
    assert found["cases"] == 3
    assert found["before"]["version"] != found["after"]["version"]
    after.write_text(POLICY.replace("owner: security", "owner: finance"))
    status, found, _ = asked(capsys, "diff", file, after)
    assert (found["gone"], found["new"], found["changed"]) == ([], [], [])


def test_people_are_told_in_lines(file, capsys):
    assert main(["policy", "test", str(file)]) == 0
    assert "caution: too long: ok" in capsys.readouterr().out
    assert main(["policy", "check", str(file)]) == 0
    assert capsys.readouterr().out == "1 files, 0 errors, 0 warnings\n"


def test_a_file_that_is_not_there_fails(tmp_path, capsys):
    status, found, _ = asked(capsys, "check", tmp_path / "none.yaml")
    assert (status, found["remarks"][0]["kind"]) == (1, "unreadable")
    assert asked(capsys, "test", tmp_path / "none.yaml")[0] == 1
    assert asked(capsys, "check", tmp_path / "a.tests.yaml")[0] == 2
