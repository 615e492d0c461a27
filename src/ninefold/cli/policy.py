"""`ninefold policy check|test|diff`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ninefold.cli.options import add_json
from ninefold.cli.output import DONE, FAILED, WrongUse, say

if TYPE_CHECKING:
    from ninefold.app.policy_cases import Case
    from ninefold.app.policy_files import PolicyFile
    from ninefold.domain.policy import Policy


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Three sub-verbs."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="check | test | diff")
    check = verbs.add_parser("check", help="say what is wrong with policy files", allow_abbrev=False)
    check.add_argument("files", nargs="+", metavar="FILE")
    check.add_argument("--strict", action="store_true", help="warnings fail too")
    test = verbs.add_parser("test", help="run the cases in NAME.tests.yaml beside each policy", allow_abbrev=False)
    test.add_argument("files", nargs="+", metavar="FILE")
    diff = verbs.add_parser("diff", help="say which clauses of two versions differ, and which cases come out otherwise", allow_abbrev=False)
    diff.add_argument("before", metavar="BEFORE")
    diff.add_argument("after", metavar="AFTER")
    for each in (check, test, diff):
        add_json(each)


def run(args: argparse.Namespace) -> int:
    """What was found stands on standard output; 1 where a policy is wrong or a case fails. A difference is no failure."""
    if args.verb == "check":
        return _check(args)
    return _test(args) if args.verb == "test" else _diff(args)


def _check(args: argparse.Namespace) -> int:
    files = _read(args.files)
    remarks = [(each.source, one) for each in files for one in each.remarks]
    document = {
        "files": len(files),
        "remarks": [
            {
                "source": source,
                "line": one.line,
                "path": one.path,
                "kind": one.kind,
                "severity": "error" if one.error else "warning",
                "message": one.message,
            }
            for source, one in remarks
        ],
    }
    lines = [f"{source}:{one.line}: {'error' if one.error else 'warning'}: {one.path}: {one.message}" for source, one in remarks]
    errors = sum(one.error for _, one in remarks)
    lines.append(f"{len(files)} files, {errors} errors, {len(remarks) - errors} warnings")
    say(document, text="\n".join(lines), as_json=args.json)
    return FAILED if errors or (args.strict and remarks) else DONE


def _test(args: argparse.Namespace) -> int:
    from ninefold.app.policy_cases import amiss, cases_file, read_cases  # noqa: PLC0415  # `--help` needs no YAML

    ran: list[dict[str, object]] = []
    lines: list[str] = []
    for file, policy in _usable(_read(args.files)):
        found = read_cases(cases_file(file.source))
        if not found:
            lines.append(f"{policy.name}: no cases; write them to {cases_file(file.source)}")
        for case in found:
            wrong = amiss(policy, case)
            ran.append(
                {"policy": policy.name, "case": case.name, "source": case.source, "line": case.line, "passed": not wrong, "wrong": wrong}
            )
            lines.append(f"{policy.name}: {case.name}: {'ok' if not wrong else 'FAILED'}")
            lines += [f"  {case.source}:{case.line}: {each}" for each in wrong]
    failed = sum(not each["passed"] for each in ran)
    lines.append(f"{len(ran)} cases, {failed} failed")
    say({"cases": ran, "failed": failed}, text="\n".join(lines), as_json=args.json)
    return FAILED if failed else DONE


def _diff(args: argparse.Namespace) -> int:
    from ninefold.app.policy_cases import cases_file, read_cases  # noqa: PLC0415  # `--help` needs no YAML
    from ninefold.policy.differ import difference  # noqa: PLC0415  # as above

    (_, before), (_, after) = _usable(_read((args.before, args.after), together=False))
    sources = dict.fromkeys((cases_file(args.before), cases_file(args.after)))
    cases = {(case.name, *sorted(case.facts.items())): case for source in sources for case in read_cases(source)}
    found = difference(before, after)
    changed = [each for case in cases.values() if (each := _changed(before, after, case)) is not None]
    document = {
        "before": {"policy": before.name, "version": before.version},
        "after": {"policy": after.name, "version": after.version},
        "gone": list(found.gone),
        "new": list(found.new),
        "cases": len(cases),
        "changed": changed,
    }
    lines = [f"- {each}" for each in found.gone] + [f"+ {each}" for each in found.new]
    lines += [f"case {each['case']}: {each['before']} -> {each['after']}" for each in changed]
    lines.append(f"{before.version} -> {after.version}: {len(changed)} of {len(cases)} cases come out otherwise")
    say(document, text="\n".join(lines), as_json=args.json)
    return DONE


def _changed(before: Policy, after: Policy, case: Case) -> dict[str, str] | None:
    from ninefold.app.policy_cases import against, judged, short  # noqa: PLC0415  # `--help` needs no YAML

    def told(policy: Policy) -> str:
        found = judged(policy, case)
        parts = [found.verdict.value]
        parts += sorted({short(policy.name, each.rule) for each in against(found.reasons)})
        parts += [f"{each.kind} {each.name}{f' {each.value}' if each.value != '' else ''}" for each in found.ruling.obligations]
        return ", ".join(parts)

    was, now = told(before), told(after)
    return None if was == now else {"case": case.name, "before": was, "after": now}


def _read(files: Sequence[str], *, together: bool = True) -> list[PolicyFile]:
    """The files; two versions of one policy are not looked at `together`."""
    from ninefold.app.policy_files import CASES, read_files  # noqa: PLC0415  # `--help` needs no YAML

    policies = [each for each in files if not each.endswith(CASES)]
    if not policies:
        raise WrongUse(f"these are cases only; name the policies beside them (without {CASES})", param="files")
    return read_files(policies) if together else [found for each in policies for found in read_files([each])]


def _usable(files: Iterable[PolicyFile]) -> list[tuple[PolicyFile, Policy]]:
    """Each file with its policy. Raises: ConfigInvalid where one cannot be used."""
    from ninefold.app.policy_files import refuse_errors  # noqa: PLC0415  # `--help` needs no YAML

    return refuse_errors(files)
