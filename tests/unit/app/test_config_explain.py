"""Every effective value, and where it came from."""

from __future__ import annotations

from pathlib import Path

from ninefold.app.config import load_config
from ninefold.app.config_explain import explain


def rows(tmp_path: Path, text: str, environ: dict[str, str], overrides: dict[str, object] | None = None) -> dict[str, tuple[str, str]]:
    file = tmp_path / "ninefold.yaml"
    file.write_text(text, encoding="utf-8")
    return {path: (value, source.replace(str(file), "FILE")) for path, value, source in explain(load_config(file, environ, overrides))}


def test_each_value_names_its_source(tmp_path: Path, example: str):
    environ = {"NINEFOLD__SERVER__PORT": "9000", "NINEFOLD__POLICIES": "[x/*.yaml]", "ACME_KEY": "hunter2"}
    found = rows(tmp_path, example, environ, {"server.workers": 3})
    assert found["server.port"] == ("9000", "env NINEFOLD__SERVER__PORT")
    assert found["server.control_port"] == ("9001", "default")
    assert found["server.workers"] == ("3", "command line")
    assert found["server.host"] == ("127.0.0.1", "FILE:1")
    assert found["server.drain_s"] == ("30", "default")
    assert found["database.url"] == ("sqlite", "FILE:3")
    assert found["policies[0]"] == ("x/*.yaml", "env NINEFOLD__POLICIES")
    assert found["deployments[0].price.cached_input_per_million"] == ("0.025", "FILE:11")
    assert found["deployments[2].name"] == ("local/embed", "default")
    assert found["tenants[0].models[0]"] == ("fast", "FILE:21")


def test_secrets_show_as_references_only(tmp_path: Path, example: str):
    found = rows(tmp_path, example, {"ACME_KEY": "hunter2", "OPENAI_API_KEY": "hunter2"})
    assert found["tenants[0].keys[0].secret"] == ("{env: ACME_KEY}", "FILE:20")
    assert not any("hunter2" in value for value, _ in found.values())


def test_every_value_that_the_file_sets_is_told_as_the_files(tmp_path: Path, example: str):
    found = rows(tmp_path, example, {})
    lines = {int(source.removeprefix("FILE:")) for _, source in found.values() if source.startswith("FILE:")}
    assert lines == {1, 2, 3, *range(5, 13), *range(14, 18), *range(19, 25)}


def test_the_embedded_defaults_are_all_defaults():
    assert {source for _, _, source in explain(load_config(None, {}))} == {"default"}
