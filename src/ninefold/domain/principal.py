"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """An authenticated caller: the tenant that pays, the key that was shown, and whom it stands for.

    `attribution` holds the key's defaults for product, workflow, environment, feature and task; `chain` is the delegation chain,
    outermost actor first, and holds at least the key itself.
    """

    tenant: str
    key_id: str
    key_name: str
    attribution: tuple[tuple[str, str], ...] = ()
    chain: tuple[str, ...] = ()
