"""`ninefold up` as a whole: start, keys, crashes, rolling restarts, and the end."""

import http.client
import json
import os
import signal
import sys
import threading

import psutil
import pytest

from tests.e2e.house import PATIENCE_S, Up, until

ASK = {"model": "local/reader", "messages": [{"role": "user", "content": "The sky is blue.\n\nWhat colour is the sky?"}]}


@pytest.fixture
def start(tmp_path):
    running: list[Up] = []

    def start(*options, **more) -> Up:
        running.append(Up(tmp_path, *options, **more))
        return running[-1]

    yield start
    for up in running:
        up.close()


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    up = Up(tmp_path_factory.mktemp("up"))
    try:
        up.wait_for("house.ready")
        yield up
    finally:
        up.close()


def pid_of(up: Up, kind: str) -> int:
    return [event["pid"] for event in up.events if event["event"] == "process.ready" and event["kind"] == kind][-1]


def models(up: Up, key: str) -> int:
    return up.ask("/v1/models", key=key)[0]


def test_it_is_ready_and_its_probes_answer(up):
    assert up.ask("/healthz")[0] == 200
    assert until(lambda: up.ask("/readyz")[0] == 200)
    assert up.ask("/metrics")[0] == 200


def test_a_key_from_the_command_line_works_until_it_is_revoked(up):
    made = json.loads(up.cli("keys", "create", "--tenant", "default", "--json").stdout)
    until(lambda: models(up, made["secret"]) == 200, patience_s=5)
    done = up.cli("keys", "revoke", made["key_id"], "--json")
    assert done.returncode == 0, done.stderr
    until(lambda: models(up, made["secret"]) == 401, patience_s=5)


def test_the_gateway_passes_the_control_plane_on(up):
    status, headers, body = up.ask("/api/v1/snapshot", key=up.admin_key())
    assert status == 200
    assert body["version"] >= 1
    assert headers["x-ninefold-trace-id"]
    assert up.ask("/api/v1/snapshot", key="nf_wrong")[0] == 401


def test_a_second_supervisor_on_the_same_directory_is_refused(up):
    done = up.cli("up", "--port", "0", "--json")
    assert done.returncode == 1
    problem = json.loads(done.stderr.strip().splitlines()[-1])
    assert problem["code"] == "conflict"
    assert f"process {up.process.pid}" in problem["detail"]


def test_a_taken_port_is_refused_by_name(up, start):
    port = up.url().rsplit(":", 1)[1]
    second = start("--port", port)
    assert second.end() == 1
    assert f"127.0.0.1:{port} is in use" in second.log_text()


def test_the_data_plane_goes_on_while_control_is_killed_and_control_comes_back(up):
    made = json.loads(up.cli("keys", "create", "--tenant", "default", "--json").stdout)
    until(lambda: models(up, made["secret"]) == 200, patience_s=5)
    killed = pid_of(up, "control")
    os.kill(killed, signal.SIGKILL)
    up.wait_for("process.ended", kind="control", pid=killed)
    assert models(up, made["secret"]) == 200
    until(lambda: pid_of(up, "control") != killed)
    assert up.control("/api/v1/health")[0] == 200


def test_a_killed_gateway_refuses_nobody(up):
    killed = pid_of(up, "gateway")
    os.kill(killed, signal.SIGKILL)
    assert up.ask("/healthz")[0] == 200  # waits on the supervisor's socket for the successor
    until(lambda: pid_of(up, "gateway") != killed)


def test_hangup_replaces_the_gateway_and_refuses_nobody(up):
    old = pid_of(up, "gateway")
    completed = len([event for event in up.events if event["event"] == "restart.completed"])
    refused: list[Exception] = []
    done = threading.Event()

    def keep_asking():
        while not done.is_set():
            try:
                assert up.ask("/healthz")[0] == 200
            except (OSError, http.client.HTTPException, AssertionError) as error:
                refused.append(error)

    asker = threading.Thread(target=keep_asking)
    asker.start()
    up.process.send_signal(signal.SIGHUP)
    up.wait_for("restart.completed", count=completed + 1)
    until(lambda: not psutil.pid_exists(old))
    done.set()
    asker.join(PATIENCE_S)
    assert not refused
    assert pid_of(up, "gateway") != old


def test_the_end_is_orderly_and_a_second_start_takes_over_where_the_first_left(start):
    first = start("--port", "0", "--workers", "2")
    made = json.loads((first.wait_for("house.ready") and first.cli("keys", "create", "--tenant", "default", "--json")).stdout)
    until(lambda: models(first, made["secret"]) == 200, patience_s=5)
    version = first.control("/api/v1/snapshot")[2]["version"]
    key = first.admin_key()
    children = [event["pid"] for event in first.events if event["event"] == "process.started"]
    first.process.terminate()
    assert first.end() == 0
    assert not any(psutil.pid_exists(pid) for pid in children)
    second = start()
    second.wait_for("house.ready")
    assert "admin_key_file" not in second.wait_for("house.prepared")
    assert second.admin_key() == key
    assert second.control("/api/v1/snapshot")[2]["version"] == version
    assert models(second, made["secret"]) == 200


def test_a_start_right_after_the_supervisor_was_killed_succeeds(start):
    first = start()
    first.wait_for("house.ready")
    first.process.kill()
    first.end()
    second = start()
    second.wait_for("gateway.ready")
    assert second.ask("/healthz")[0] == 200


def test_people_are_told_where_to_go(tmp_path):
    import subprocess

    process = subprocess.Popen(
        [sys.executable, "-m", "ninefold", "up", "--port", "0", "--roles", "gateway,control"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        said = [process.stdout.readline() for _ in range(4)]
        assert said[0].startswith("Ninefold is up: http://127.0.0.1:")
        assert "/api/openapi.json" in said[1]
        assert "admin.key" in said[2]
        assert "ninefold keys create" in said[3]
    finally:
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        process.stdout.close()
