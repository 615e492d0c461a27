"""Writes the reference of the configuration from the types that read it: `python -m ninefold.app.config_reference FILE`."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ninefold.app.config import Config
from ninefold.app.config_types import Secret

_INTRO = """\
# `ninefold.yaml`

Generated from the types that read the file; do not edit. `ninefold config explain` prints every value in force and where it came from.

- One YAML file. A key that is not listed here is an error that names the nearest one that is; every problem is reported at once, with
  its line.
- `NINEFOLD__SECTION__KEY` in the environment stands over the file: `NINEFOLD__SERVER__PORT=9000`,
  `NINEFOLD__DEPLOYMENTS__0__BASE_URL=…` (lists are numbered from 0), `NINEFOLD__POLICIES=[a.yaml]`.
- A secret is never written into the file, only a reference: `{env: NAME}` or `{file: PATH}`.
- Relative paths start at the file's folder, without a file at the working directory.
- Scalars are those of YAML 1.2: `no`, `on` and `12:30` are text. Anchors and `<<` work; tags are refused.
- The file is read again when it changes; one that is not valid is refused as a whole, and the one before stays in force.
- Without a file, and beside every file unless `local: {enabled: false}`, there are the deployments and models `local/embed` and
  `local/reader`; a tenant may use them once its `models` lists them.
"""


def render() -> str:
    """The whole page."""
    return _INTRO + "".join(_section("", Config))


def _section(path: str, model: type[BaseModel]) -> Iterator[str]:
    inner: list[tuple[str, type[BaseModel]]] = []
    yield f"\n## `{path}`\n" if path else "\n## Sections\n"
    if path and model.__doc__:
        yield f"\n{model.__doc__.strip()}\n"
    yield "\n| key | value | default | meaning |\n|---|---|---|---|\n"
    for name, field in model.model_fields.items():
        here = f"{path}.{name}" if path else name
        below, suffix = _model_in(field.annotation)
        if below is not None and below is not Secret:
            inner.append((here + suffix, below))
        yield f"| `{name}` | {_kind(field, below, suffix)} | {_default(field, below, suffix)} | {_cell(field.description or '')} |\n"
    for here, below in inner:
        yield from _section(here, below)


def _kind(field: FieldInfo, below: type[BaseModel] | None, suffix: str) -> str:
    if below is Secret:
        return "`{env: NAME}` or `{file: PATH}`"
    if below is not None:
        return "list of sections" if suffix else "section"
    return _cell(_named(field.annotation) + _bounds([*field.metadata, *_metadata(field.annotation)]))


def _named(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _named(arguments[0])
    if origin in {Union, types.UnionType}:
        return " or ".join(_named(each) for each in arguments if each is not type(None))
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in arguments)
    if origin is tuple:
        return f"list of {_named(arguments[0])}"
    if origin is dict:
        return "mapping of text"
    return {"str": "text", "int": "whole number", "float": "seconds", "Decimal": "dollars", "bool": "`true`, `false`"}[annotation.__name__]


def _metadata(annotation: Any) -> list[object]:
    """The constraints inside an optional value."""
    if get_origin(annotation) is Annotated:
        flat: list[object] = []
        for each in get_args(annotation)[1:]:
            flat += each.metadata if isinstance(each, FieldInfo) else [each]
        return flat
    return (
        [found for each in get_args(annotation) for found in _metadata(each)] if get_origin(annotation) in {Union, types.UnionType} else []
    )


def _bounds(metadata: list[object]) -> str:
    lowest = [f"above {each.gt}" for each in metadata if isinstance(each, Gt)]
    lowest += [f"at least {each.ge}" for each in metadata if isinstance(each, Ge)]
    most = [each.le for each in metadata if isinstance(each, Le) and isinstance(each.le, int) and each.le < 2**63 - 1]
    highest = [f"at most {min(most):,}"] if most else []
    return f" ({', '.join([*lowest, *highest])})" if lowest or highest else ""


def _default(field: FieldInfo, below: type[BaseModel] | None, suffix: str) -> str:
    if field.is_required():
        return "**required**"
    if below is not None and not suffix and below is not Secret:
        return ""
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        return "one tenant `default`"
    if value is None or value in ((), {}):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else f'{value:g}' if isinstance(value, float) else value}`"


def _model_in(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """The section that `annotation` holds, and `[]` where it is a list of them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    for each in get_args(annotation):
        found, suffix = _model_in(each)
        if found is not None:
            return found, "[]" if get_origin(annotation) is tuple else suffix
    return None, ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")
