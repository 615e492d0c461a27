"""Cases beside a policy: `<name>.tests.yaml` says what is known, and what the policy has to make of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ninefold.app.config_problem import ConfigInvalid, Place, did_you_mean, problem
from ninefold.app.policy_files import CASES
from ninefold.app.policy_source import read_tree
from ninefold.domain.decision import Reason, Verdict
from ninefold.domain.policy import Policy, Scalar
from ninefold.policy.conditions import is_scalar
from ninefold.policy.engine import Judgement, PolicyEngine
from ninefold.wire.policy.written import Entry, Leaf, Node, Row, Table

_CASE_KEYS = ("name", "facts", "expect")
_EXPECT_KEYS = ("verdict", "reasons", "obligations", "alternatives")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is known, and what is expected: None where the case says nothing of it. `reasons` are rules without their policy's name."""

    source: str
    line: int
    name: str
    facts: Mapping[str, Scalar]
    verdict: str
    reasons: frozenset[str] | None
    obligations: Mapping[str, tuple[str, ...]]
    alternatives: tuple[str, ...] | None


def cases_file(policy_file: str) -> Path:
    """Where the cases of `policy_file` stand."""
    path = Path(policy_file)
    return path.with_name(path.name.removesuffix(path.suffix) + CASES)


def read_cases(path: Path) -> tuple[Case, ...]:
    """The cases in `path`, none where there is no such file. Raises: ConfigInvalid."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        message = f"cannot be read: {error.strerror or 'unknown reason'}"
        raise ConfigInvalid([problem(Place(source=str(path)), (), message)]) from None
    return tuple(_Cases(str(path)).read(read_tree(data, str(path))))


def judged(policy: Policy, case: Case) -> Judgement:
    """What `policy` alone says of the case; of a case that does not name its subject, as of the first one it speaks of."""
    return PolicyEngine([policy]).judge({"subject": policy.subjects[0], **case.facts})


def short(policy: str, rule: str) -> str:
    """`rule` without the name of its policy."""
    return rule.removeprefix(f"{policy}.")


def amiss(policy: Policy, case: Case) -> list[str]:
    """A sentence for everything that came out otherwise than expected."""
    found = judged(policy, case)
    wrong: list[str] = []
    if found.verdict.value != case.verdict:
        why = "; ".join(each.detail for each in found.reasons) or "the policy does not speak of it"
        wrong.append(f"verdict {found.verdict.value}, expected {case.verdict}: {why}")
    if case.reasons is not None:
        rules = {short(policy.name, each.rule) for each in against(found.reasons)}
        wrong += [f"no reason {each}" for each in sorted(case.reasons - rules)]
        wrong += [f"unexpected reason {each}" for each in sorted(rules - case.reasons)]
    for kind, names in case.obligations.items():
        got = tuple(each.name for each in found.ruling.obligations if each.kind == kind)
        if got != names:
            wrong.append(f"obligation {kind}: {', '.join(got) or 'none'}, expected {', '.join(names) or 'none'}")
    if case.alternatives is not None and case.alternatives != found.ruling.alternatives:
        expected = ", ".join(case.alternatives) or "none"
        wrong.append(f"alternatives: {', '.join(found.ruling.alternatives) or 'none'}, expected {expected}")
    return wrong


def against(reasons: Sequence[Reason]) -> list[Reason]:
    """The reasons that stand against a request."""
    return [each for each in reasons if each.verdict is not Verdict.ALLOW]


class _Cases:
    def __init__(self, source: str) -> None:
        self._source = source

    def read(self, tree: Table) -> Iterator[Case]:
        for item in self._row(self._members(tree, ("cases",), "the file").get("cases"), tree.line):
            yield self._case(item)

    def _case(self, item: Node) -> Case:
        members = self._members(item, _CASE_KEYS, "a case")
        expect_entry = members.get("expect")
        if expect_entry is None:
            raise self._refused(item.line, "a case needs `expect:`")
        expect = self._members(expect_entry.value, _EXPECT_KEYS, "expect")
        verdict = self._text(expect.get("verdict"), expect_entry.line, "verdict")
        if verdict not in [each.value for each in Verdict]:
            raise self._refused(expect["verdict"].line, f"the verdict is one of {', '.join(each.value for each in Verdict)}")
        reasons = expect.get("reasons")
        alternatives = expect.get("alternatives")
        obligations = expect.get("obligations")
        return Case(
            source=self._source,
            line=item.line,
            name=self._text(members.get("name"), item.line, "name"),
            facts=dict(self._facts(members.get("facts"))),
            verdict=verdict,
            reasons=None if reasons is None else frozenset(self._texts(reasons)),
            obligations={} if obligations is None else {each.key: self._texts(each) for each in self._table(obligations.value).entries},
            alternatives=None if alternatives is None else self._texts(alternatives),
        )

    def _facts(self, entry: Entry | None) -> Iterator[tuple[str, Scalar]]:
        for each in () if entry is None else self._table(entry.value).entries:
            value = each.value.value if isinstance(each.value, Leaf) else None
            if value is None or not is_scalar(value):
                raise self._refused(each.line, f"the fact {each.key} needs text, a number, true or false")
            yield each.key, value

    def _members(self, node: Node, known: tuple[str, ...], what: str) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for each in self._table(node).entries:
            if each.key not in known:
                raise self._refused(each.line, f"{what} has no key '{each.key}'{did_you_mean(each.key, known)}")
            if each.key in found:
                raise self._refused(each.line, f"'{each.key}' stands already in line {found[each.key].line}")
            found[each.key] = each
        return found

    def _table(self, node: Node) -> Table:
        if not isinstance(node, Table):
            raise self._refused(node.line, "must be a mapping (key: value)")
        return node

    def _row(self, entry: Entry | None, line: int) -> tuple[Node, ...]:
        if entry is None or not isinstance(entry.value, Row):
            raise self._refused(line if entry is None else entry.line, "`cases:` must be a list")
        return entry.value.items

    def _texts(self, entry: Entry) -> tuple[str, ...]:
        items = entry.value.items if isinstance(entry.value, Row) else (entry.value,)
        found = tuple(each.value for each in items if isinstance(each, Leaf) and isinstance(each.value, str))
        if len(found) != len(items):
            raise self._refused(entry.line, f"{entry.key} must be text, or a list of texts")
        return found

    def _text(self, entry: Entry | None, line: int, key: str) -> str:
        if entry is None:
            raise self._refused(line, f"{key} is missing")
        if not isinstance(entry.value, Leaf) or not isinstance(entry.value.value, str):
            raise self._refused(entry.line, f"{key} must be text")
        return entry.value.value

    def _refused(self, line: int, message: str) -> ConfigInvalid:
        return ConfigInvalid([problem(Place(source=self._source, line=line, column=1), (), message)])
