"""The supervisor over stand-in children: order, restarts, rolling restarts, and the end."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

SCRIPT = Path(__file__).with_name("children.py")
PATIENCE_S = 20.0


class House:
    def __init__(self, folder: Path, *, gateways: int = 1, drain_s: float = 5.0):
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), "house", str(folder), str(gateways), str(drain_s)], stdout=subprocess.PIPE, text=True
        )
        self.events: list[dict] = []
        self._seen = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._seen:
                self.events.append(json.loads(line))
                self._seen.notify_all()

    def wait_for(self, event: str, *, count: int = 1, **fields) -> dict:
        def found():
            return [seen for seen in self.events if seen["event"] == event and fields.items() <= seen.items()]

        with self._seen:
            assert self._seen.wait_for(lambda: len(found()) >= count, PATIENCE_S), (event, fields, self.events)
            return found()[count - 1]

    @property
    def port(self) -> int:
        return self.wait_for("listening")["port"]

    def ask(self) -> dict:
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as connection:
            connection.sendall(b"who?")
            return json.loads(connection.recv(4096))

    def pids(self) -> list[int]:
        return [event["pid"] for event in self.events if event["event"] == "process.started"]

    def end(self) -> int:
        return self.process.wait(PATIENCE_S)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(PATIENCE_S)
        self.process.stdout.close()


@pytest.fixture
def start(tmp_path):
    houses: list[House] = []

    def start(**options) -> House:
        houses.append(House(tmp_path, **options))
        return houses[-1]

    yield start
    for house in houses:
        house.close()


def gone(pid: int) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def test_gateways_leave_before_control_and_worker_and_the_end_is_orderly(start, tmp_path):
    house = start(gateways=2)
    house.wait_for("house.ready")
    house.process.terminate()
    assert house.end() == 0
    left = {kind: float((tmp_path / f"{kind}.left").read_text()) for kind in ("gateway", "control", "worker")}
    assert left["gateway"] < left["control"]
    assert left["gateway"] < left["worker"]
    assert all(gone(pid) for pid in house.pids())


def test_a_killed_gateway_is_replaced_at_once_and_nobody_is_refused(start):
    house = start()
    first = house.wait_for("process.ready", kind="gateway")
    os.kill(first["pid"], signal.SIGKILL)
    answers = [house.ask() for _ in range(3)]  # the socket is the supervisor's: these wait for the successor
    assert all(answer["pid"] != first["pid"] for answer in answers)
    assert house.wait_for("process.ended", kind="gateway", pid=first["pid"])["expected"] is False


def test_a_failing_worker_is_started_again_after_a_growing_delay_and_the_gateway_goes_on(start, tmp_path):
    (tmp_path / "worker.broken").touch()
    house = start()
    house.wait_for("process.ended", kind="worker", count=3)
    assert house.ask()["worker"] == "here-gateway-0"
    (tmp_path / "worker.broken").unlink()
    house.wait_for("process.ready", kind="worker")
    house.wait_for("house.ready")


def test_hangup_replaces_every_gateway_without_a_refused_connection(start):
    house = start(gateways=2)
    house.wait_for("house.ready")
    before = {event["pid"] for event in house.events if event["event"] == "process.started" and event["kind"] == "gateway"}
    refused: list[OSError] = []
    answered: list[int] = []
    done = threading.Event()

    def keep_asking():
        while not done.is_set():
            try:
                answered.append(house.ask()["pid"])
            except OSError as error:
                refused.append(error)

    askers = [threading.Thread(target=keep_asking) for _ in range(4)]
    for asker in askers:
        asker.start()
    house.process.send_signal(signal.SIGHUP)
    house.wait_for("restart.completed")
    assert all(gone(pid) for pid in before)
    done.set()
    for asker in askers:
        asker.join()
    assert not refused
    alive: set[str] = set()
    for event in house.events:  # two living processes never have one name
        if event["event"] == "process.started":
            assert event["worker"] not in alive
            alive.add(event["worker"])
        elif event["event"] == "process.ended":
            alive.remove(event["worker"])
    assert house.ask()["pid"] not in before


def test_a_roll_whose_successor_never_serves_is_abandoned_and_the_old_gateway_stays(start, tmp_path):
    house = start()
    old = house.wait_for("process.ready", kind="gateway")
    (tmp_path / "gateway.broken").touch()
    house.process.send_signal(signal.SIGHUP)
    house.wait_for("restart.abandoned")
    assert house.ask()["pid"] == old["pid"]


def test_a_gateway_that_does_not_leave_is_killed_after_its_drain_time(start, tmp_path):
    (tmp_path / "gateway.deaf").touch()
    house = start(drain_s=0.1)
    house.wait_for("house.ready")
    house.process.terminate()
    assert house.end() == 0
    assert house.wait_for("process.killed")["kind"] == "gateway"


def test_a_second_signal_ends_everything_at_once(start, tmp_path):
    (tmp_path / "gateway.deaf").touch()
    house = start(drain_s=600)
    house.wait_for("house.ready")
    house.process.send_signal(signal.SIGINT)
    house.wait_for("house.draining")
    house.process.send_signal(signal.SIGINT)
    assert house.end() == 1
    assert all(gone(pid) for pid in house.pids())


def test_children_die_with_a_killed_supervisor(start):
    house = start()
    house.wait_for("house.ready")
    house.process.kill()
    house.end()
    assert all(gone(pid) for pid in house.pids())


def test_gateways_that_can_never_start_end_the_supervisor(start, tmp_path):
    (tmp_path / "gateway.broken").touch()
    house = start()
    assert house.end() == 1
    assert house.wait_for("house.hopeless")["failures"] >= 5
