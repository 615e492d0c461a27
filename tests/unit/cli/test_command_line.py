"""What the command line promises of every verb: one document, problem details, three exit statuses."""

import json
import subprocess
import sys

import pytest

from ninefold.cli import version as version_verb
from ninefold.cli.main import VERBS, main

WRITTEN = """
server: {port: 18080}
tenants:
  - name: acme
    budgets: [{limit_usd: 5, window: month}]
    keys: [{name: ci, secret: {env: ACME_KEY}}]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("NINEFOLD_CONFIG", "NINEFOLD_LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run(capsys, *words):
    status = main(words)
    said = capsys.readouterr()
    return status, said.out, said.err


def problem_of(err: str) -> dict:
    assert err.count("\n") == 1
    return json.loads(err)


def test_help_lists_every_verb(capsys):
    status, out, _ = run(capsys, "--help")
    assert status == 0
    assert all(f"  {name}" in out for name in VERBS)


def test_no_verb_is_wrong_use(capsys):
    assert run(capsys)[0] == 2


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"demo"}))
def test_every_verb_explains_itself(capsys, verb):
    status, out, _ = run(capsys, verb, "--help")
    assert status == 0
    assert f"usage: ninefold {verb}" in out


def test_an_unknown_verb_names_the_nearest(capsys):
    status, out, err = run(capsys, "kyes", "--json")
    assert (status, out) == (2, "")
    problem = problem_of(err)
    assert problem["code"] == "wrong_use"
    assert "'keys'" in problem["detail"]


@pytest.mark.parametrize(
    "words",
    [
        ("version", "--nope"),
        ("keys",),
        ("keys", "create"),
        ("keys", "create", "--tenant", "a", "--expires", "soon"),
        ("keys", "create", "--tenant", "a", "--expires", "0d"),
        ("keys", "create", "--tenant", "a", "--expires", "999999w"),
        ("keys", "create", "--tenant", "a", "--attr", "product"),
        ("keys", "create", "--tenant", "a", "--attr", "colour=red"),
        ("keys", "create", "--tenant", "a", "--name", "white space"),
        ("keys", "revoke"),
        ("traces", "show", "not-an-id"),
        ("ledger", "lines", "--tenant", "a", "--limit", "0"),
        ("ledger", "lines", "--tenant", "a", "--start", "yesterday"),
        ("up", "--roles", "gateway,cook"),
        ("up", "--roles", ","),
        ("up", "--port", "many"),
    ],
)
def test_wrong_use_is_2_and_prints_nothing_on_standard_output(capsys, folder, words):
    status, out, err = run(capsys, *words, "--json")
    assert (status, out) == (2, "")
    assert problem_of(err)["code"] == "wrong_use"
    assert run(capsys, *words)[2].startswith("ninefold: ")
    assert not list(folder.iterdir())


def test_version_is_one_document(capsys):
    status, out, err = run(capsys, "version", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)["name"] == "ninefold"
    assert out.count("\n") == 1


def test_config_explain_says_where_each_value_came_from(capsys, folder, monkeypatch):
    (folder / "ninefold.yaml").write_text(WRITTEN)
    monkeypatch.setenv("NINEFOLD__SERVER__WORKERS", "3")
    monkeypatch.setenv("ACME_KEY", "do-not-show-this")
    status, out, _ = run(capsys, "config", "explain", "--json")
    assert status == 0
    values = {each["path"]: (each["value"], each["source"]) for each in json.loads(out)["values"]}
    assert values["server.port"] == ("18080", "ninefold.yaml:2")
    assert values["server.workers"] == ("3", "env NINEFOLD__SERVER__WORKERS")
    assert values["server.control_port"] == ("18081", "default")
    assert values["tenants[0].keys[0].secret"][0] == "{env: ACME_KEY}"
    assert "do-not-show-this" not in out


def test_an_invalid_configuration_is_refused_with_its_lines(capsys, folder):
    (folder / "other.yaml").write_text("server: {prot: 1}\ntenants:\n  - nome: x\n")
    status, out, err = run(capsys, "config", "explain", "--config", "other.yaml", "--json")
    assert (status, out) == (1, "")
    problem = problem_of(err)
    assert problem["code"] == "config_invalid"
    assert {1, 3} <= {each["line"] for each in problem["errors"]}


@pytest.mark.parametrize("words", [("keys", "list"), ("keys", "create", "--tenant", "default"), ("budgets", "list")])
def test_without_a_database_the_next_step_is_named_and_nothing_is_made(capsys, folder, words):
    status, out, err = run(capsys, *words, "--json")
    assert (status, out) == (1, "")
    assert "ninefold up" in problem_of(err)["detail"]
    assert not (folder / ".ninefold").exists()


def test_doctor_fails_where_the_configuration_does(capsys, folder):
    (folder / "ninefold.yaml").write_text("data_dri: x\n")
    status, out, _ = run(capsys, "doctor", "--json")
    assert status == 1
    findings = json.loads(out)["findings"]
    failed = [each for each in findings if each["status"] == "fail"]
    assert [each["check"] for each in failed] == ["configuration"]
    assert "ninefold.yaml:1" in failed[0]["detail"]


def test_doctor_names_missing_secrets_and_open_directories(capsys, folder, monkeypatch):
    monkeypatch.delenv("ACME_KEY", raising=False)
    (folder / "ninefold.yaml").write_text(WRITTEN + "local: {enabled: false}\n")
    (folder / ".ninefold").mkdir(mode=0o755)
    _, out, _ = run(capsys, "doctor", "--json")
    warned = {each["check"]: each for each in json.loads(out)["findings"] if each["status"] == "warn"}
    assert "ACME_KEY" in warned["secrets"]["detail"]
    assert "chmod 700" in warned["data_dir"]["next"]


def test_a_defect_is_one_sentence_and_no_stack(capsys, monkeypatch):
    def broken(args):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(version_verb, "run", broken)
    status, out, err = run(capsys, "version", "--json")
    assert (status, out) == (1, "")
    assert problem_of(err)["code"] == "internal"
    assert "Traceback" not in err


def test_help_imports_no_library_and_no_verb():
    code = (
        "import sys; from ninefold.cli.main import main; main(['--help']); "
        "heavy = {'sqlalchemy', 'pydantic', 'fastapi', 'uvicorn', 'yaml', 'msgspec', 'asyncio', 'ninefold.cli.up'} & set(sys.modules); "
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
