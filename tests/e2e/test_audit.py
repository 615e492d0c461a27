"""The audit log of a running platform: complete through kill -9 of control, provable to outsiders, red after one changed byte."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.platform import Platform

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "verify_audit.py"
CONFIG = """
audit: {witness: outside}
tenants: [{name: acme, models: ["local/*"], keys: [{name: ci, secret: {env: ACME_KEY}}]}]
"""
ASKED = [
    {"role": "system", "content": "Support is open from 9 to 17. Refunds take five days."},
    {"role": "user", "content": "How long do refunds take?"},
]


def ask(up: Platform, model: str = "local/reader") -> str:
    body = {"model": model, "messages": ASKED}
    status, headers, answer = up.get("/v1/chat/completions", key="test-key", method="POST", body=body)
    assert status == (200 if model == "local/reader" else 404), answer
    return headers["x-ninefold-trace-id"]


def verified(up: Platform, *options: str):
    done = up.cli("audit", "verify", "--json", *options)
    assert done.returncode in (0, 1), done.stderr
    document = json.loads(done.stdout)
    assert document["sound"] is (done.returncode == 0)
    return document


def until_sound_with(up: Platform, kinds: dict[str, int]):
    deadline = time.monotonic() + 30
    while True:
        document = verified(up)
        if {kind: document["kinds"].get(kind) for kind in kinds} == kinds and document["ledger"] == "level":
            return document
        assert time.monotonic() < deadline, document
        time.sleep(0.3)


def outsider(*words: object) -> str:
    return subprocess.run([sys.executable, "-I", SCRIPT, *map(str, words)], capture_output=True, text=True, check=False).stdout


def control_metrics(up: Platform) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{up.control_port}/metrics", timeout=10) as reply:
        return reply.read().decode()


@pytest.mark.slow
def test_what_was_asked_is_provable_and_what_is_changed_is_seen(tmp_path):
    (tmp_path / "outside").mkdir()
    with Platform(tmp_path, CONFIG, env={"ACME_KEY": "test-key"}) as up:
        answered, refused = ask(up), ask(up, "local/nothing")
        made = json.loads(up.cli("keys", "create", "--tenant", "acme", "--json").stdout)
        os.kill(up.children()["control_process"], signal.SIGKILL)
        ask(up)
        # Made known, given out, published: a key is two acts; the configuration was published before it.
        document = until_sound_with(up, {"decision": 3, "answer": 2, "refusal": 1, "settlement": 2, "admin": 3})
        assert document["problems"] == []
        assert document["witnessed"] >= 1
        metrics = control_metrics(up)
        assert f"ninefold_audit_leaves {document['leaves']}\n" in metrics
        assert "ninefold_audit_gaps 0\n" in metrics
        assert "ninefold_audit_witness_behind 0\n" in metrics

        folder = up.data_dir / "audit"
        assert (folder / "signing.key").stat().st_mode & 0o777 == 0o600
        key = (folder / "signing.pub").read_text().strip()
        kinds = {}
        for trace_id in (answered, refused):
            (tmp_path / "proof.json").write_text(up.cli("audit", "prove", trace_id, "--since", "1", "--json").stdout)
            assert outsider("proof", tmp_path / "proof.json", "--key", key) == "sound\n"
            proof = json.loads((tmp_path / "proof.json").read_text())
            kinds[trace_id] = [json.loads(each["leaf"])["kind"] for each in proof["leaves"]]
        assert kinds == {answered: ["decision", "settlement", "answer"], refused: ["decision", "refusal"]}
        assert up.cli("audit", "prove", "0" * 32).returncode == 1
        assert up.cli("audit", "prove", "nonsense").returncode == 2
    assert made["key_id"].encode() in (folder / "leaves" / "000000.ndjson").read_bytes()
    assert made["secret"].encode() not in (folder / "leaves" / "000000.ndjson").read_bytes()
    (witness,) = (tmp_path / "outside").iterdir()
    assert outsider("log", folder, "--key", key, "--witness", witness) == "sound\n"

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    leaves = copy / "leaves" / "000000.ndjson"
    leaves.write_bytes(leaves.read_bytes().replace(b'"code":"model_not_found"', b'"code":"model_not_f0und"', 1))
    assert "it was changed" in str(verified(up, "--folder", str(copy), "--key", key, "--witness", str(witness))["problems"])
    assert outsider("log", copy, "--key", key).startswith("WRONG  leaf ")

    with sqlite3.connect(up.data_dir / "ninefold.db") as database:
        database.execute("UPDATE ledger_answers SET cost_nanos = cost_nanos + 1 WHERE trace_id = ?", (answered,))
        database.execute(
            "INSERT INTO ledger_refusals SELECT 'made-up', trace_id, tenant, key_id, model, surface, at, code, detail FROM ledger_refusals"
        )
    database.close()
    problems = [each["what"] for each in verified(up)["problems"]]
    assert len(problems) == 2
    assert "has another cost_nanos in the ledger" in problems[0]
    assert problems[1] == "it has 1 rows of kind refusal that no leaf covers"
