"""Logs are JSON lines, and no secret stands in them."""

import json
import logging

import pytest

from ninefold.app.logging import Log, level_from, redact, route_libraries

SECRET = "nf_FOT5LFr3rfyltNXE0fWzfJucN4oEI9OmgiHpkQBNjqd2DdQyd"


def written(level="info", **fields):
    lines = []
    log = Log(process="p", level=level, write=lines.append, clock=lambda: 12.5)
    log.info("thing.happened", **fields)
    return [json.loads(line) for line in lines]


def test_a_line_has_its_event_its_process_and_its_fields():
    (line,) = written(tenant="acme", input_tokens=3)
    assert line.pop("pid")
    assert line == {"ts": 12.5, "level": "info", "event": "thing.happened", "process": "p", "tenant": "acme", "input_tokens": 3}


@pytest.mark.parametrize(
    "fields",
    [
        {"note": f"key {SECRET} was shown"},
        {"api_key": SECRET},
        {"nested": {"authorization": "Basic c2VjcmV0LXBhcnQ=", "list": [SECRET]}},
        {"url": f"postgresql://user:{SECRET}@host/db"},
        {"header": "Bearer c2VjcmV0LXBhcnQ="},
        {"error": ValueError(f"bad key {SECRET}")},
    ],
)
def test_nothing_that_looks_like_a_credential_is_written(fields):
    text = json.dumps(written(**fields))
    assert SECRET not in text
    assert "c2VjcmV0LXBhcnQ" not in text
    assert "***" in text


def test_text_without_a_credential_stays_as_it_is():
    assert redact("task-list for http://host:80/path") == "task-list for http://host:80/path"


def test_levels_below_the_threshold_are_not_written():
    assert written(level="warning") == []


def test_an_exception_leaves_its_stack_without_secrets():
    lines = []
    log = Log(process="p", write=lines.append)
    with pytest.raises(ValueError) as caught:
        int(f"key {SECRET}")
    log.error("thing.failed", exc=caught.value)
    line = json.loads(lines[0])
    assert "Traceback" in line["stack"]
    assert SECRET not in lines[0].decode()


def test_a_log_that_cannot_be_written_stops_nobody():
    tried = []

    def full(line):
        tried.append(line)
        raise OSError("no space")

    log = Log(process="p", write=full)
    log.info("a.happened")
    log.info("b.happened")
    assert len(tried) == 1


def test_what_libraries_log_stands_there_too():
    lines = []
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        route_libraries(Log(process="p", write=lines.append))
        logging.getLogger("lib").warning("look: %s", SECRET)
        logging.getLogger("lib").info("chatter")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    (line,) = (json.loads(line) for line in lines)
    assert line["logger"] == "lib"
    assert line["level"] == "warning"
    assert SECRET not in line["message"]


def test_an_unknown_level_is_the_default(capsys):
    assert level_from({"NINEFOLD_LOG_LEVEL": "loud"}) == "info"
    assert "loud" in capsys.readouterr().err
    assert level_from({"NINEFOLD_LOG_LEVEL": "DEBUG"}) == "debug"
