"""The database of one process, from what the configuration says of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from ninefold.adapters.sql.engine import Database, open_database
from ninefold.app.process_boot import Boot
from ninefold.app.secrets import Secrets
from ninefold.domain.snapshot import SecretRef


def open_for(boot: Boot, environ: Mapping[str, str]) -> Database:
    """The database that `boot` names; nothing is connected yet. Raises: SecretMissing where its password cannot be found."""
    url = boot.database
    if boot.database_password:
        kind, _, where = boot.database_password.partition(":")
        password = Secrets(environ).read(SecretRef(kind=kind, where=where))
        scheme, _, rest = url.partition("://")
        user, at, place = rest.rpartition("@")
        url = f"{scheme}://{user}:{quote(password, safe='')}{at or '@'}{place}"
    return open_database(url, folder=Path(boot.data_dir))
