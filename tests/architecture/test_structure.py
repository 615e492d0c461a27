"""The shape of the house: sizes, empty rooms, forbidden names, imports that do nothing."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "ninefold"
FILES = sorted(SOURCE.rglob("*.py"))
MAX_LINES = 450
MAX_FUNCTION_LINES = 60
FORBIDDEN_FILES = {"utils", "helpers", "common", "core", "base", "misc"}
FORBIDDEN_ENDINGS = ("Manager", "Helper", "Processor", "Service", "Impl")


def name(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=name)
def test_file_is_small_or_says_why(path):
    text = path.read_text()
    lines = text.count("\n")
    first_comment = next((line for line in text.splitlines() if line.startswith("#")), "")
    assert lines <= MAX_LINES or "lines" in first_comment, f"{lines} lines and no reason in the first comment"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_names_and_functions(path):
    assert path.stem not in FORBIDDEN_FILES
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            assert not node.name.endswith(FORBIDDEN_ENDINGS), node.name
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", [f for f in FILES if f.name == "__init__.py" and f.parent != SOURCE], ids=name)
def test_inner_init_is_empty(path):
    assert path.read_text().strip() == ""


def test_every_room_has_content():
    for folder in [d for d in SOURCE.iterdir() if d.is_dir() and d.name != "__pycache__"]:
        assert [f for f in folder.rglob("*.py") if f.name != "__init__.py"], f"{folder.name} is an empty shelf"


def test_the_spine_stays_readable():
    tree = ast.parse((SOURCE / "gateway" / "complete.py").read_text())
    spine = next(n for n in ast.walk(tree) if isinstance(n, ast.AsyncFunctionDef) and n.name == "complete")
    assert (spine.end_lineno or 0) - spine.lineno + 1 <= 30


def test_importing_the_package_is_quick_and_pulls_nothing_in():
    code = "import sys; before=set(sys.modules); import ninefold; print(sorted({m.split('.')[0] for m in set(sys.modules)-before}))"
    out = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert out.strip() == "['ninefold']"


def test_the_hot_path_imports_no_framework():
    code = (
        "import sys; import ninefold.http.data_plane, ninefold.gateway.complete, ninefold.finops.meter;"
        "print([m for m in ('fastapi','pydantic','sqlalchemy','yaml','numpy','onnxruntime','alembic','uvicorn') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert out.strip() == "[]"


def test_nothing_reads_like_a_promise():
    words = re.compile(r"NotImplementedError|\bTODO\b|\bFIXME\b|\bXXX\b|placeholder|for now\b|in a real (system|deployment)", re.IGNORECASE)
    found = [f"{name(f)}:{i}" for f in FILES for i, line in enumerate(f.read_text().splitlines(), 1) if words.search(line)]
    assert found == []


def test_tests_can_fail():
    """A test asserts, expects an exception, calls something of the tests that does, or is a library's own test run under a mark of ours."""
    trees = {path: ast.parse(path.read_text()) for path in sorted((ROOT / "tests").rglob("*.py"))}
    functions = [n for tree in trees.values() for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    checking = {
        f.name for f in functions if any(isinstance(n, ast.Assert | ast.Raise) for n in ast.walk(f)) and not f.name.startswith("test")
    }
    hollow = []
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
                names = {n.id if isinstance(n, ast.Name) else n.attr for n in ast.walk(node) if isinstance(n, ast.Name | ast.Attribute)}
                asserts = any(isinstance(n, ast.Assert) for n in ast.walk(node)) or names & (
                    {"raises", "model_validate", "fail"} | checking
                )
                inherited = any(
                    isinstance(n, ast.Attribute)
                    and n.attr == node.name
                    and isinstance(n.value, ast.Call)
                    and isinstance(n.value.func, ast.Name)
                    and n.value.func.id == "super"
                    for n in ast.walk(node)
                )
                if not asserts and not inherited:
                    hollow.append(f"{name(path)}::{node.name}")
    assert hollow == []
