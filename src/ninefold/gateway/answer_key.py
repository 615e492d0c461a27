"""When are two requests the same? Digests that never say so of two that differ."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from ninefold.domain.call import ModelCall
from ninefold.domain.snapshot import Snapshot, Tenant
from ninefold.ports.router import Plan
from ninefold.wire import attribution

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def request_digest(call: ModelCall) -> bytes:
    """SHA-256 of what is asked, 32 bytes: the body without what only says who owns the request, and all else that changes an answer.

    Members of the body may come in any order. Inside of them bytes count: numbers that a decoder could not tell apart stay different,
    and two ways to write the same value are at worst answered twice.
    """
    said: list[bytes] = [
        call.operation.value.encode(),
        call.wire.value.encode(),
        call.model.encode("utf-8", "surrogatepass"),
        b"stream" if call.stream else b"whole",
        call.method.encode(),
        call.path.encode("utf-8", "surrogatepass"),
        call.content_type.encode("utf-8", "surrogatepass"),
        call.task_class.encode("utf-8", "surrogatepass"),
    ]
    said += _counted(each.encode("utf-8", "surrogatepass") for each in call.regions)
    said += _counted(part for name in sorted(call.forward_headers) for part in (name, call.forward_headers[name]))
    try:
        fields = _members.decode(call.body)
    except msgspec.MsgspecError:
        said += (b"bytes", call.body)
    else:
        attribution.without(fields)
        said.append(b"object")
        said += _metadata(fields)
        said += _counted(part for name in sorted(fields) for part in (name.encode("utf-8", "surrogatepass"), bytes(fields[name])))
    return _digest(said)


def idempotency_scope(key_id: str, surface: str, key: str) -> str:
    """What an idempotency key stands for, in hex: nothing outside this API key and this surface."""
    return _digest(part.encode("utf-8", "surrogatepass") for part in (key_id, surface, key)).hex()


class AnswerKeys:
    """The keys under which answers may be shared, for one snapshot.

    A key holds the tenant and everything that it may see, the model and every deployment that could answer, as they are configured, and
    the version of the policies; any change of these makes new keys, so that nothing old is given out.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._routes: dict[str, bytes] = {}
        self._models = {model.name: model for model in snapshot.models}
        self._deployments = {deployment.name: deployment for deployment in snapshot.deployments}

    def cover(self, plan: Plan) -> bool:
        """Whether `plan` was made of this snapshot. An answer by another must not stand under a key of this one."""
        known = self._deployments
        return self._models.get(plan.model.name) is plan.model and all(known.get(each.name) is each for each in plan.deployments)

    def key(self, tenant: Tenant, call: ModelCall, policy_version: str) -> bytes:
        """32 bytes; `call.model` is of the snapshot."""
        visible = (tenant.name, tuple(sorted(tenant.models)), tenant.max_output_tokens, tenant.regions)
        return _digest(
            (
                repr(visible).encode("utf-8", "surrogatepass"),
                policy_version.encode(),
                self._route(call.model),
                request_digest(call),
            )
        )

    def _route(self, name: str) -> bytes:
        found = self._routes.get(name)
        if found is None:
            snapshot = self._snapshot
            model = next(each for each in snapshot.models if each.name == name)
            names = {*model.deployments, *(each for route in model.classes for each in route.deployments)}
            # Frozen values of plain types: what is equal is written equally. Of secrets they hold the places alone.
            said = [repr(model), repr(snapshot.task_classes), *(repr(each) for each in snapshot.deployments if each.name in names)]
            found = self._routes[name] = _digest(part.encode("utf-8", "surrogatepass") for part in said)
        return found


def _metadata(fields: dict[str, msgspec.Raw]) -> list[bytes]:
    """The members of the metadata, taken out of `fields`: whether ours stood among them must not show in how the others are written."""
    try:
        found = _members.decode(fields["metadata"])
    except (KeyError, msgspec.MsgspecError):
        return _counted(())
    del fields["metadata"]
    return _counted(part for name in sorted(found) for part in (name.encode("utf-8", "surrogatepass"), bytes(found[name])))


def _counted(parts: Iterable[bytes]) -> list[bytes]:
    found = list(parts)
    return [b"%d" % len(found), *found]


def _digest(parts: Iterable[bytes]) -> bytes:
    """Each part with its length before it, so that no two lists of parts have the same bytes."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.digest()
