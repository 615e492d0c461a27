"""Every effective value of a configuration, and where it came from."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from pydantic import BaseModel

from ninefold.app.config import Config
from ninefold.app.config_problem import DEFAULT, Steps, dotted
from ninefold.app.config_types import Secret

Row = tuple[str, str, str]
_DERIVED = "default"


def explain(config: Config) -> list[Row]:
    """Path, value and source (`default`, `FILE:LINE`, `env NAME`, `command line`) of every value. Secrets show as references only."""
    return list(_rows(config, (), config))


def _rows(value: object, steps: Steps, config: Config) -> Iterator[Row]:
    if isinstance(value, Secret):
        yield dotted(steps), str(value), _source(config, steps)
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            inner: object = _effective(config, name) if isinstance(value, Config) else getattr(value, name)
            if name == "control_port" and inner is None:
                yield dotted((*steps, name)), str(config.server.effective_control_port), _DERIVED
            else:
                yield from _rows(inner, (*steps, name), config)
    elif isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _rows(inner, (*steps, str(name)), config)
    elif isinstance(value, tuple) and value:
        for index, inner in enumerate(value):
            yield from _rows(inner, (*steps, index), config)
    else:
        yield dotted(steps), _shown(value), _source(config, steps)


def _effective(config: Config, name: str) -> object:
    """A section with what comes with Ninefold in it."""
    return {"deployments": config.all_deployments, "models": config.all_models}.get(name, getattr(config, name))


def _source(config: Config, steps: Steps) -> str:
    """Where the value at `steps` was written. A short form (`database: sqlite`) stands one step above its value."""
    place = config.places.get(steps)
    if place is None and steps == ("database", "url"):
        place = config.places.get(steps[:-1])
    return str(place or DEFAULT)


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, float):
        return f"{value:g}"
    return "[]" if value == () else "{}" if value == {} else str(value)
