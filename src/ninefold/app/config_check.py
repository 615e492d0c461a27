"""Finds what is wrong with a configuration: Pydantic's findings in our own words, and what only shows between two places."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from ninefold.app.config_problem import Problem, Steps, did_you_mean, problem
from ninefold.app.config_source import Document, Value
from ninefold.domain.call import Operation
from ninefold.wire.dialects.vendors import VENDORS, Vendor

LOCAL_MODELS = ("local/embed", "local/reader")
INSIDE = frozenset({"local", "rules"})  # what runs in our own worker has no address
_OPERATIONS = frozenset({*Operation, "responses", "completions"})
_EMBED_OPERATIONS = ("embeddings", "rerank")
_EXPECTED = {
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "is_instance_of": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be text; put it in quotes if it looks like a number",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping (key: value)",
    "model_type": "must be a mapping (key: value)",
    "missing": "is missing",
}


def can_do(provider: str, model: str) -> tuple[str, ...]:
    """The operations that a deployment of `provider` can answer."""
    return _EMBED_OPERATIONS if provider == "local" and model == "embed" else VENDORS[provider].operations


def problems_of(error: ValidationError, model: type[BaseModel], document: Document) -> list[Problem]:
    """Pydantic's findings as problems. No value is quoted: it may be a secret in the wrong place."""
    found: list[Problem] = []
    for each in error.errors(include_input=False, include_url=False):
        steps: Steps = tuple(each["loc"])
        kind, context = each["type"], each.get("ctx", {})
        if kind == "extra_forbidden":
            message = f"unknown key{did_you_mean(str(steps[-1]), _fields_at(model, steps[:-1]))}"
            found.append(problem(document.key_place(steps), steps, message))
            continue
        if kind == "literal_error":
            message = f"must be one of {str(context.get('expected', '')).replace(' or ', ', ')}"
        elif kind in {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}:
            words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
            message = "must be " + " and ".join(f"{words[key]} {context[key]:,}" for key in words if key in context)
        elif kind in {"too_short", "string_too_short"}:
            message = "must not be empty"
        else:
            message = _EXPECTED.get(kind) or each["msg"]
        found.append(problem(document.place(steps), steps, message))
    return found


def _fields_at(model: type[BaseModel], steps: Steps) -> list[str]:
    """The keys that are known at `steps`."""
    annotation: Any = model
    for step in steps:
        inner = _model_in(annotation)
        if isinstance(step, str) and inner is not None and step in inner.model_fields:
            annotation = inner.model_fields[step].annotation
    found = _model_in(annotation)
    return list(found.model_fields) if found is not None else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {tuple, Annotated, Union, types.UnionType}:
        return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)
    return None


def check(root: Mapping[str, Value], document: Document, base_dir: Path) -> list[Problem]:
    """What contradicts itself between places. Works on the raw values, so that it speaks even where single values are wrong."""
    return list(_Checks(root=root, document=document, base_dir=base_dir).all())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checks:
    """Looks at raw values of any shape and passes over what Pydantic will complain about anyway."""

    root: Mapping[str, Value]
    document: Document
    base_dir: Path

    def all(self) -> Iterator[Problem]:
        yield from self._ports()
        for section in ("deployments", "models", "tenants", "task_classes"):
            yield from self._duplicates((section,), "name")
        for steps, deployment in self._items(("deployments",)):
            yield from self._deployment(steps, deployment)
        for steps, _ in self._items(("models",)):
            yield from self._route(steps)
        for steps, _ in self._items(("task_classes",)):
            yield from self._task_class(steps)
        for steps, _ in self._items(("tenants",)):
            yield from self._tenant(steps)
        yield from self._key_references()

    def _problem(self, steps: Steps, message: str) -> Problem:
        return problem(self.document.place(steps), steps, message)

    def _get(self, steps: Steps) -> Value:
        value: Value = dict(self.root)
        for step in steps:
            if isinstance(value, dict):
                value = value.get(str(step))
            elif isinstance(value, tuple) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
        return value

    def _items(self, steps: Steps) -> Iterator[tuple[Steps, dict[str, Value]]]:
        found = self._get(steps)
        if isinstance(found, tuple):
            for index, item in enumerate(found):
                if isinstance(item, dict):
                    yield (*steps, index), item

    def _texts(self, steps: Steps) -> Iterator[tuple[Steps, str]]:
        found = self._get(steps)
        if isinstance(found, tuple):
            for index, item in enumerate(found):
                if isinstance(item, str):
                    yield (*steps, index), item

    def _names(self, section: str) -> set[str]:
        names = {name for _, item in self._items((section,)) if isinstance(name := item.get("name"), str)}
        return names | set(LOCAL_MODELS) if self._get(("local", "enabled")) is not False else names

    def _ports(self) -> Iterator[Problem]:
        port, control = self._get(("server", "port")), self._get(("server", "control_port"))
        port = 8080 if port is None else port
        if control is not None and control == port and control != 0:
            yield self._problem(("server", "control_port"), "is the data plane's port too; give them one each")
        if control is None and port == 65_535:
            yield self._problem(("server", "port"), "there is no next port for the control plane; set control_port")

    def _duplicates(self, steps: Steps, key: str) -> Iterator[Problem]:
        seen: dict[str, Steps] = {}
        for here, item in self._items(steps):
            value = item.get(key)
            if not isinstance(value, str):
                continue
            if value in seen:
                first = self.document.place((*seen[value], key))
                yield self._problem((*here, key), f"'{value}' stands already in {first}")
            else:
                seen[value] = here

    def _deployment(self, steps: Steps, deployment: Mapping[str, Value]) -> Iterator[Problem]:
        provider, model = deployment.get("provider"), deployment.get("model")
        if not isinstance(provider, str) or not isinstance(model, str):
            return
        if provider == "local":
            if model not in {"embed", "reader"} and not model.endswith(".gguf"):
                yield self._problem((*steps, "model"), "a local model is embed, reader or the path of a .gguf file")
            for key in ("base_url", "api_key", "headers", "proxy", "ca_file"):
                if deployment.get(key) is not None:
                    yield self._problem((*steps, key), "a local model runs inside Ninefold; leave this out")
        vendor = VENDORS.get(provider)
        if vendor is None:
            return
        if vendor.public_url is None and provider not in INSIDE and deployment.get("base_url") is None:
            yield self._problem(steps, f"base_url is missing: every customer of {provider} has an address of their own")
        if "{region}" in (vendor.public_url or "") and deployment.get("base_url") is None and deployment.get("region") is None:
            yield self._problem(steps, f"region is missing: the address of {provider} names it")
        yield from self._credentials(steps, vendor, deployment)
        able = can_do(provider, model)
        if provider not in INSIDE:
            able += tuple(each for each in ("responses", "completions", "passthrough") if each not in able)
        operations = deployment.get("operations")
        if operations == ():
            yield self._problem((*steps, "operations"), f"must not be empty; this one can {', '.join(able)}")
        for here, operation in self._texts((*steps, "operations")):
            if operation in _OPERATIONS and operation not in able:
                yield self._problem(here, f"this one cannot; it can {', '.join(able)}")

    def _credentials(self, steps: Steps, vendor: Vendor, deployment: Mapping[str, Value]) -> Iterator[Problem]:
        given = deployment.get("credentials")
        if isinstance(given, dict):
            for name in given:
                if name not in vendor.credentials:
                    wanted = ", ".join(vendor.credentials) or "none"
                    yield self._problem(
                        (*steps, "credentials", name), f"this vendor's are {wanted}{did_you_mean(name, vendor.credentials)}"
                    )

    def _route(self, steps: Steps) -> Iterator[Problem]:
        yield from self._deployments_of((*steps, "route"))
        classes = self._get((*steps, "classes"))
        known = {name for _, item in self._items(("task_classes",)) if isinstance(name := item.get("name"), str)}
        for name in classes if isinstance(classes, dict) else ():
            yield from self._deployments_of((*steps, "classes", name))
            if name not in known:
                yield self._problem((*steps, "classes", name), f"there is no task class '{name}'{did_you_mean(name, known)}")
        summariser = self._get((*steps, "truncate", "summarise_with"))
        if isinstance(summariser, str) and summariser not in self._names("models"):
            yield self._problem((*steps, "truncate", "summarise_with"), f"there is no model '{summariser}'")

    def _task_class(self, steps: Steps) -> Iterator[Problem]:
        known = {name for _, item in self._items(("task_classes",)) if isinstance(name := item.get("name"), str)}
        to = self._get((*steps, "promotion", "to"))
        if isinstance(to, str) and to not in known:
            yield self._problem((*steps, "promotion", "to"), f"there is no task class '{to}'{did_you_mean(to, known)}")
        if isinstance(to, str) and to == self._get((*steps, "name")):
            yield self._problem((*steps, "promotion", "to"), "a class cannot be promoted to itself")

    def _deployments_of(self, steps: Steps) -> Iterator[Problem]:
        known = self._names("deployments")
        seen: set[str] = set()
        for here, name in self._texts((*steps, "deployments")):
            if name not in known:
                yield self._problem(here, f"there is no deployment '{name}'{did_you_mean(name, known)}")
            if name in seen:
                yield self._problem(here, f"'{name}' is listed twice")
            seen.add(name)

    def _tenant(self, steps: Steps) -> Iterator[Problem]:
        known = self._names("models")
        for here, name in self._texts((*steps, "models")):
            if any(sign in name for sign in "*?["):
                if not any(fnmatchcase(each, name) for each in known):
                    yield self._problem(here, f"no model matches this; there are {', '.join(sorted(known)) or 'none'}")
            elif name not in known:
                yield self._problem(here, f"there is no model '{name}'{did_you_mean(name, known)}")
        yield from self._duplicates((*steps, "keys"), "name")
        yield from self._duplicates((*steps, "budgets"), "window")

    def _key_references(self) -> Iterator[Problem]:
        """Two keys that read the same variable or file are one credential for two names."""
        seen: dict[tuple[str, str], Steps] = {}
        for tenant, _ in self._items(("tenants",)):
            for key, _ in self._items((*tenant, "keys")):
                for kind in ("env", "file"):
                    steps = (*key, "secret", kind)
                    where = self._get(steps)
                    if not isinstance(where, str):
                        continue
                    if (kind, where) in seen:
                        first = self.document.place(seen[kind, where])
                        yield self._problem(steps, f"the key in {first} reads the same secret; each key needs its own")
                    else:
                        seen[kind, where] = steps
