#!/usr/bin/env python3
"""Verifies Ninefold's audit log without Ninefold: Python's standard library and `cryptography` are all it needs.

    verify_audit.py log FOLDER --key KEY [--witness FILE]     a copy of <data_dir>/audit, whole
    verify_audit.py proof FILE --key KEY                      what `ninefold audit prove TRACE_ID --json` printed

KEY is the log's public key as you have kept it: NAME+ID+BASE64. Exit status 1 where anything is wrong, with a line for each problem.
Formats: RFC 6962 (tree), RFC 9162 2.1.3.2 and 2.1.4.2 (proofs), C2SP signed-note and tlog-checkpoint (checkpoints).
"""

import argparse
import base64
import functools
import itertools
import json
import sys
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

DASH = "\N{EM DASH} "


def leaf_hash(leaf):
    return sha256(b"\0" + leaf).digest()


def node_hash(left, right):
    return sha256(b"\1" + left + right).digest()


def root_of(stack):
    """The root over complete subtrees, largest first."""
    return functools.reduce(lambda root, left: node_hash(left, root), reversed(stack))


def walk(first, last, end, proof, reached, begun):
    """The roots that `proof` leads to, of the old tree (from `begun`) and the new one; None where it has a wrong length."""
    for step in proof:
        if end == 0:
            return None
        if last & 1 or last == end:
            begun = node_hash(step, begun) if first < last else begun
            reached = node_hash(step, reached)
            while not last & 1:
                first, last, end = first >> 1, last >> 1, end >> 1
        else:
            reached = node_hash(reached, step)
        first, last, end = first >> 1, last >> 1, end >> 1
    return (begun, reached) if end == 0 else None


def is_included(index, size, leaf, proof, root):
    return 0 <= index < size and (walk(index, index, size - 1, proof, leaf, leaf) or (b"", b""))[1] == root


def is_consistent(old, size, old_root, root, proof):
    if not 0 < old <= size:
        return False
    first, last, end = 0, old - 1, size - 1
    while first != last and (last == end or last & 1):
        first, last, end = first >> 1, last >> 1, end >> 1
    steps = ([old_root] if first == last else []) + proof
    return bool(steps) and walk(first, last, end, steps[1:], steps[0], steps[0]) == (old_root, root)


def open_note(note, key):
    """Size and root of a checkpoint that `key` has signed. Raises ValueError."""
    name, _, rest = key.strip().partition("+")
    key_id, public = bytes.fromhex(rest.partition("+")[0]), base64.b64decode(rest.partition("+")[2])
    if public[:1] != b"\1" or sha256(name.encode() + b"\n" + public).digest()[:4] != key_id:
        raise ValueError("the key is no Ed25519 key of a log")
    text, _, signatures = note.partition("\n\n")
    for line in signatures.splitlines():
        data = base64.b64decode(line.rpartition(" ")[2]) if line.startswith(DASH + name + " ") else b""
        if data[:4] == key_id:
            Ed25519PublicKey.from_public_bytes(public[1:]).verify(data[4:], (text + "\n").encode())
            origin, size, root = text.split("\n")[:3]
            if origin == name:
                return int(size), base64.b64decode(root)
    raise ValueError("the log's key has not signed it")


def notes_in(text):
    """The notes one behind the other: each ends with its signatures."""
    note, lines = "", text.splitlines(keepends=True)
    for line, after in itertools.zip_longest(lines, lines[1:], fillvalue=""):
        note += line
        if not after or (line.startswith(DASH) and not after.startswith(DASH)):
            yield note
            note = ""


def check_log(folder, key, witness):
    kept = [("checkpoints", (folder / "checkpoints").read_text(encoding="utf-8"))]
    kept.append(("standing.json", json.loads((folder / "standing.json").read_bytes())["note"]))
    kept += [("witness", witness.read_text(encoding="utf-8"))] if witness else []
    signed = {}
    for where, text in kept:
        for number, note in enumerate(notes_in(text), 1):
            try:
                size, root = open_note(note, key)
                signed.setdefault(size, []).append((f"{where}, note {number}", root))
            except (ValueError, InvalidSignature) as error:
                yield f"{where}, note {number}: forged or damaged: {error or type(error).__name__}"
    files = sorted((folder / "leaves").glob("*.ndjson"))
    leaves = (leaf for file in files for leaf in file.read_bytes().split(b"\n")[:-1])
    stack, size = [], 0
    for leaf in itertools.islice(leaves, max(signed, default=0)):
        reached, carry = leaf_hash(leaf), size
        tile = folder / "tiles" / "0" / f"{size >> 16:06d}"
        if size & 0xFFFF == 0:
            hashes = tile.read_bytes() if tile.exists() else b""
        if hashes[(size & 0xFFFF) * 32 : (size & 0xFFFF) * 32 + 32] != reached:
            yield f"leaf {size}: its hash is not the one in {tile.relative_to(folder)}"
        while carry & 1:
            reached, carry = node_hash(stack.pop(), reached), carry >> 1
        stack, size = [*stack, reached], size + 1
        yield from (f"{where}: does not fit the first {size} leaves" for where, root in signed.get(size, ()) if root != root_of(stack))
    yield from (f"{where}: covers {over} leaves, there are {size}" for over in sorted(signed) if over > size for where, _ in signed[over])


def check_proof(path, key):
    document = json.loads(path.read_bytes())
    size, root = open_note(document["checkpoint"], key)
    for each in document["leaves"]:
        proof = [base64.b64decode(step) for step in each["proof"]]
        if not is_included(each["index"], size, leaf_hash(each["leaf"].encode()), proof, root):
            yield f"leaf {each['index']} is not in the log that was signed"
    old = document.get("consistency")
    if old and not is_consistent(old["size"], size, base64.b64decode(old["root"]), root, [base64.b64decode(step) for step in old["proof"]]):
        yield f"the log does not begin with the tree of {old['size']} leaves"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["log", "proof"])
    parser.add_argument("path", type=Path)
    parser.add_argument("--key", required=True)
    parser.add_argument("--witness", type=Path)
    asked = parser.parse_args()
    try:
        is_log = asked.what == "log"
        problems = [*(check_log(asked.path, asked.key, asked.witness) if is_log else check_proof(asked.path, asked.key))]
    except (OSError, ValueError, KeyError, InvalidSignature) as error:
        problems = [f"{type(error).__name__}: {error}"]
    print("\n".join(f"WRONG  {problem}" for problem in problems) or "sound")
    sys.exit(1 if problems else 0)
