"""From what is written to typed rules, with everything that is wrong with it."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec

from ninefold.domain.policy import AGENT_STEP, REQUEST, Bound, Branch, Condition, Policy, Scalar
from ninefold.policy.conditions import FACT, conditions, is_scalar
from ninefold.wire.policy.written import Entry, Leaf, Node, Remark, Row, Table

KEYS = (
    *("policy", "owner", "description", "applies_to", "match", "route_to", "else_if", "require", "deny_if", "require_approval_for"),
    *("defaults", "limits", "verifiers", "fallback", "action", "actions", "if_missing", "when"),
)
BREACH_ACTIONS = ("downgrade_model", "reduce_context", "require_human_approval")
_REPEATED = frozenset({"else_if", "route_to"})
_OF_AGENTS = frozenset({"defaults", "verifiers", "fallback"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a file comes to: a policy, or None where a remark is an error. `lines` says where `require[0]`, `branches[1]` … stand."""

    policy: Policy | None
    remarks: tuple[Remark, ...]
    lines: Mapping[str, int]


def read_policy(tree: Table) -> Reading:
    """The policy in `tree`, with every mistake of it at once."""
    reader = _Reader(tree=tree)
    policy = reader.policy()
    wrong = any(each.error for each in reader.remarks)
    return Reading(policy=None if wrong else policy, remarks=tuple(reader.remarks), lines=reader.lines)


def version_of(policy: Policy) -> str:
    """A digest of all that decides: not of its owner, and not of how it is laid out."""
    return hashlib.sha256(msgspec.json.encode(replace(policy, version="", owner=""))).hexdigest()[:16]


def near(word: str, known: tuple[str, ...] | list[str]) -> str:
    """A half-sentence that names the nearest known word, or all of them."""
    close = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else f"; known here: {', '.join(known)}"


@dataclass(slots=True, kw_only=True)
class _Reader:
    tree: Table
    remarks: list[Remark] = field(default_factory=list[Remark])
    lines: dict[str, int] = field(default_factory=dict[str, int])

    def policy(self) -> Policy:
        self._check_keys()
        subjects, scope = self._applies_to()
        branches = self._branches(scope)
        on_pass, on_fail, on_breach = self._actions()
        read = Policy(
            name=self._text("policy", needed=True),
            version="",
            owner=self._text("owner"),
            subjects=subjects,
            scope=tuple(scope),
            branches=branches,
            require=self._conditions("require"),
            deny_if=self._conditions("deny_if"),
            require_approval_for=self._conditions("require_approval_for"),
            defaults=self._bounds("defaults"),
            limits=self._bounds("limits"),
            verifiers=self._names("verifiers"),
            on_verifier_fail=self._fallback(),
            on_pass=on_pass,
            on_fail=on_fail,
            on_budget_breach=on_breach,
            ignore_missing=self._if_missing(),
        )
        self._text("description")
        return replace(read, version=version_of(read))

    def _wrong(self, line: int, path: str, message: str, kind: str = "invalid") -> None:
        self.remarks.append(Remark(line=line, path=path, kind=kind, message=message))

    def _check_keys(self) -> None:
        seen: dict[str, int] = {}
        for entry in self.tree.entries:
            if entry.key == "when":
                self._wrong(
                    entry.line, "when", "expressions (`when:`) are not built yet; write it as match, require or deny_if", "not_built"
                )
            elif entry.key not in KEYS:
                self._wrong(entry.line, entry.key, f"unknown key{near(entry.key, KEYS)}", "unknown_key")
            elif entry.key in seen and entry.key not in _REPEATED:
                self._wrong(entry.line, entry.key, f"stands already in line {seen[entry.key]}; only else_if and route_to may be repeated")
            seen.setdefault(entry.key, entry.line)
        if "action" in seen and "actions" in seen:
            self._wrong(seen["actions"], "actions", f"'action' stands already in line {seen['action']}, and means the same")

    def _first(self, *keys: str) -> Entry | None:
        return next((entry for entry in self.tree.entries if entry.key in keys), None)

    def _text(self, key: str, *, needed: bool = False) -> str:
        entry = self._first(key)
        if entry is None:
            if needed:
                self._wrong(self.tree.line, key, "is missing")
            return ""
        if isinstance(entry.value, Leaf) and isinstance(entry.value.value, str) and entry.value.value:
            self.lines[key] = entry.line
            return entry.value.value
        self._wrong(entry.line, key, "must be text")
        return ""

    def _found(self, node: Node, path: str) -> tuple[Condition, ...]:
        found: list[Condition] = []
        for line, condition in conditions(node, lambda line, message: self._wrong(line, path, message)):
            self.lines[f"{path}[{len(found)}]"] = line
            found.append(condition)
        return tuple(found)

    def _conditions(self, key: str) -> tuple[Condition, ...]:
        entry = self._first(key)
        return () if entry is None else self._found(entry.value, key)

    def _applies_to(self) -> tuple[tuple[str, ...], list[Condition]]:
        """What the policy speaks of; a mapping among it narrows that down."""
        agents = any(entry.key in _OF_AGENTS for entry in self.tree.entries)
        default = (AGENT_STEP,) if agents else (REQUEST,)
        entry = self._first("applies_to")
        if entry is None:
            return default, []
        subjects: list[str] = []
        scope: list[Condition] = []
        for item in entry.value.items if isinstance(entry.value, Row) else (entry.value,):
            if isinstance(item, Leaf) and isinstance(item.value, str) and FACT.fullmatch(item.value):
                subjects.append(item.value)
            else:
                scope += self._found(item, "applies_to")
        return tuple(subjects) or default, scope

    def _branches(self, scope: list[Condition]) -> tuple[Branch, ...]:
        """`match` before a `route_to` is the first branch; without one it narrows down what the policy speaks of (into `scope`)."""
        branches: list[Branch] = []
        pending: Entry | None = None
        for entry in self.tree.entries:
            if entry.key in {"match", "else_if"}:
                if pending is not None:
                    self._without_route(pending, scope)
                if entry.key == "else_if" and not branches:
                    self._wrong(entry.line, "else_if", "there is no branch before this one; the first begins with match")
                if entry.key == "match" and branches:
                    self._wrong(entry.line, "match", "further branches begin with else_if")
                pending = entry
            elif entry.key == "route_to":
                if pending is None and branches:
                    self._wrong(entry.line, "route_to", "has no else_if before it, so that nothing says when")
                    continue
                branches.append(self._branch(pending, entry, len(branches)))
                pending = None
        if pending is not None:
            self._without_route(pending, scope)
        return tuple(branches)

    def _without_route(self, entry: Entry, scope: list[Condition]) -> None:
        if entry.key == "else_if":
            self._wrong(entry.line, "else_if", "says nothing without a route_to after it")
        else:
            scope += self._found(entry.value, "match")

    def _branch(self, match: Entry | None, route: Entry, number: int) -> Branch:
        path = f"branches[{number}]"
        self.lines[path] = route.line if match is None else match.line
        target = route.value.value if isinstance(route.value, Leaf) else None
        if not isinstance(target, str) or not target:
            self._wrong(route.line, "route_to", "must be the name of a task class")
            target = ""
        return Branch(match=() if match is None else self._found(match.value, path), route_to=target)

    def _bounds(self, key: str) -> tuple[Bound, ...]:
        entry = self._first(key)
        if entry is None:
            return ()
        if not isinstance(entry.value, Table):
            self._wrong(entry.line, key, "must be a mapping of names to bounds")
            return ()
        found: list[Bound] = []
        for each in entry.value.entries:
            value = each.value.value if isinstance(each.value, Leaf) else None
            if FACT.fullmatch(each.key) is None or value is None or not is_scalar(value):
                self._wrong(each.line, f"{key}.{each.key}", "must be a name with a number, text, true or false")
            elif any(one.name == each.key for one in found):
                self._wrong(each.line, f"{key}.{each.key}", "stands here already")
            elif key == "limits" and not (value == "required" or (not isinstance(value, bool | str))):
                self._wrong(each.line, f"{key}.{each.key}", "must be a number, or 'required'")
            else:
                self.lines[f"{key}[{len(found)}]"] = each.line
                found.append(_limit(each.key, value) if key == "limits" else _default(each.key, value))
        return tuple(found)

    def _names(self, key: str) -> tuple[str, ...]:
        entry = self._first(key)
        return () if entry is None else self._listed(entry)

    def _listed(self, entry: Entry) -> tuple[str, ...]:
        names: list[str] = []
        for item in entry.value.items if isinstance(entry.value, Row) else (entry.value,):
            if isinstance(item, Leaf) and isinstance(item.value, str) and FACT.fullmatch(item.value):
                self.lines[f"{entry.key}[{len(names)}]"] = item.line
                names.append(item.value)
            else:
                self._wrong(item.line, entry.key, "must be a name: letters, digits, points and underscores")
        return tuple(names)

    def _members(self, entry: Entry, known: tuple[str, ...]) -> Mapping[str, Entry]:
        if not isinstance(entry.value, Table):
            self._wrong(entry.line, entry.key, f"must be a mapping of {', '.join(known)}")
            return {}
        found: dict[str, Entry] = {}
        for each in entry.value.entries:
            if each.key not in known:
                self._wrong(each.line, f"{entry.key}.{each.key}", f"unknown key{near(each.key, known)}", "unknown_key")
            elif each.key in found:
                self._wrong(each.line, f"{entry.key}.{each.key}", f"stands already in line {found[each.key].line}")
            else:
                self.lines[f"{entry.key}.{each.key}"] = each.line
                found[each.key] = each
        return found

    def _one(self, entry: Entry | None) -> str:
        names = () if entry is None else self._listed(entry)
        if entry is not None and len(names) > 1:
            self._wrong(entry.line, entry.key, "takes one name")
        return names[0] if names else ""

    def _fallback(self) -> str:
        entry = self._first("fallback")
        return "" if entry is None else self._one(self._members(entry, ("on_verifier_fail",)).get("on_verifier_fail"))

    def _actions(self) -> tuple[str, str, tuple[str, ...]]:
        entry = self._first("action", "actions")
        if entry is None:
            return "", "", ()
        found = self._members(entry, ("on_pass", "on_fail", "on_budget_breach"))
        breach = found.get("on_budget_breach")
        steps = () if breach is None else self._listed(breach)
        for each in steps:
            if each not in BREACH_ACTIONS and breach is not None:
                self._wrong(breach.line, f"{entry.key}.on_budget_breach", f"there is no action '{each}'{near(each, BREACH_ACTIONS)}")
        return self._one(found.get("on_pass")), self._one(found.get("on_fail")), steps

    def _if_missing(self) -> tuple[str, ...]:
        entry = self._first("if_missing")
        if entry is None:
            return ()
        ignored: list[str] = []
        for each in entry.value.entries if isinstance(entry.value, Table) else ():
            value = each.value.value if isinstance(each.value, Leaf) else None
            if value not in {"deny", "ignore"}:
                self._wrong(each.line, f"if_missing.{each.key}", "must be deny or ignore")
            elif value == "ignore":
                ignored.append(each.key)
        if not isinstance(entry.value, Table):
            self._wrong(entry.line, "if_missing", "must be a mapping of facts to deny or ignore")
        return tuple(ignored)


def _limit(name: str, value: Scalar) -> Bound:
    condition = Condition(fact=name, op="known") if value == "required" else Condition(fact=name, op="<=", values=(value,))
    return Bound(name=name, value=value, condition=condition)


def _default(name: str, value: Scalar) -> Bound:
    """What `max_tool_calls: 8`, `network_egress: deny` and `file_write_scope: task_workspace_only` allow."""
    if value == "allow":
        return Bound(name=name, value=value)
    if value == "deny":
        return Bound(name=name, value=value, condition=Condition(fact=name, op="==", values=(False,)))
    for prefix, op in (("max_", "<="), ("min_", ">=")):
        if name.startswith(prefix) and not isinstance(value, bool | str):
            return Bound(name=name, value=value, condition=Condition(fact=name.removeprefix(prefix), op=op, values=(value,)))
    return Bound(name=name, value=value, condition=Condition(fact=name, op="==", values=(value,)))
