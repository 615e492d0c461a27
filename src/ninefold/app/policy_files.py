"""Policy files on disk, read and looked through."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ninefold.app.config_problem import ConfigInvalid, Place, Problem, did_you_mean, problem
from ninefold.app.policy_source import read_tree
from ninefold.domain.policy import REQUEST, Policy
from ninefold.policy.lint import Placed, look_at
from ninefold.policy.read import read_policy
from ninefold.wire.policy.written import Remark

CASES = ".tests.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """One file: its policy, or None where it cannot be used, and what is to be said about it."""

    source: str
    placed: Placed | None
    remarks: tuple[Remark, ...]


def policy_files(pattern: str, base_dir: Path) -> list[str]:
    """The policies that `pattern` names, in order, without the cases that stand beside them."""
    found = glob.glob(str(base_dir / pattern), recursive=True)  # noqa: PTH207  # Path.glob refuses absolute patterns
    return sorted(each for each in found if not each.endswith(CASES))


def read_files(sources: Iterable[str]) -> list[PolicyFile]:
    """The files, each alone and then all of them together looked through."""
    files: list[PolicyFile] = []
    for source in sources:
        try:
            reading = read_policy(read_tree(Path(source).read_bytes(), source))
        except OSError as error:
            files.append(_unread(source, 0, "", f"cannot be read: {error.strerror or 'unknown reason'}"))
        except ConfigInvalid as invalid:
            first = invalid.problems[0]
            files.append(_unread(source, first.line, first.path, first.message))
        else:
            placed = None if reading.policy is None else Placed(policy=reading.policy, lines=reading.lines)
            files.append(PolicyFile(source=source, placed=placed, remarks=reading.remarks))
    said = iter(look_at([each.placed for each in files if each.placed is not None]))
    return [each if each.placed is None else replace(each, remarks=(*each.remarks, *next(said))) for each in files]


def configured_policies(root: Mapping[str, object], base_dir: Path) -> tuple[tuple[Policy, ...], list[Problem]]:
    """The policies that a configuration names, and what forbids to use them. A route has to lead to a task class."""
    sources: dict[str, None] = {}
    for pattern in _texts(root.get("policies")):
        sources.update(dict.fromkeys(policy_files(pattern, base_dir)))
    classes = [name for each in _items(root.get("task_classes")) if isinstance(name := each.get("name"), str)]
    files = read_files(sources)
    problems: list[Problem] = []
    for each in files:
        problems += _problems(each.source, (*each.remarks, *(() if each.placed is None else _lost(each.placed, classes))))
    return tuple(each.placed.policy for each in files if each.placed is not None), problems


def refuse_errors(files: Iterable[PolicyFile]) -> list[tuple[PolicyFile, Policy]]:
    """Each file with its policy. Raises: ConfigInvalid with every error of them all."""
    problems: list[Problem] = []
    usable: list[tuple[PolicyFile, Policy]] = []
    for each in files:
        problems += _problems(each.source, each.remarks)
        if each.placed is not None:
            usable.append((each, each.placed.policy))
    if problems:
        raise ConfigInvalid(problems)
    return usable


def _problems(source: str, remarks: Iterable[Remark]) -> list[Problem]:
    return [problem(Place(source=source, line=one.line, column=1), (one.path,), one.message) for one in remarks if one.error]


def _lost(placed: Placed, classes: Sequence[str]) -> Iterable[Remark]:
    """Routes of requests that lead nowhere."""
    if REQUEST not in placed.policy.subjects:
        return
    for number, branch in enumerate(placed.policy.branches):
        if branch.route_to not in classes:
            message = f"there is no task class '{branch.route_to}'{did_you_mean(branch.route_to, classes)}"
            yield Remark(line=placed.lines.get(f"branches[{number}]", 0), path="route_to", kind="unknown_class", message=message)


def _unread(source: str, line: int, path: str, message: str) -> PolicyFile:
    return PolicyFile(source=source, placed=None, remarks=(Remark(line=line, path=path, kind="unreadable", message=message),))


def _texts(value: object) -> Iterable[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, tuple) else ()


def _items(value: object) -> Iterable[Mapping[str, object]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, tuple) else ()
