"""The single values of a configuration: what each may be, and the sentence that says so where it is not."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

_MAX_INT = 2**63 - 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}")
_PATTERN = re.compile(r"[A-Za-z0-9*?\[][A-Za-z0-9._:/@*?\[\]!-]{0,127}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CREDENTIAL_HEADERS = frozenset({"authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"})
_OWN_HEADERS = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection", "te", "upgrade", "accept-encoding"})
WRITE_A_REFERENCE = "a secret is never written here; write {env: NAME} or {file: PATH}"


class Section(BaseModel):
    """A part of the configuration: frozen, and every key it has is known."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def wrong(message: str) -> PydanticCustomError:
    """An error whose sentence is shown as it stands."""
    return PydanticCustomError("ninefold", "{message}", {"message": message})


def as_number(value: object) -> object:
    """A decimal as a float; anything else as it is."""
    return float(value) if isinstance(value, Decimal) else value


def _decimal(value: object) -> object:
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _nanos_fit(value: Decimal) -> Decimal:
    if not value.is_finite() or value < 0:
        raise wrong("must be zero or more")
    nanos = value * 1_000_000_000
    if nanos != nanos.to_integral_value():
        raise wrong("has more than nine digits after the point")
    if nanos > _MAX_INT:
        raise wrong("is too large: at most 9223372036.854775807")
    return value


def _matching(pattern: re.Pattern[str], allowed: str) -> AfterValidator:
    def check(value: str) -> str:
        if pattern.fullmatch(value) is None:
            raise wrong(f"a name here is made of {allowed}, and begins with a letter or digit")
        return value

    return AfterValidator(check)


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        raise wrong("not an address; write http://host:port/path or https://host/path") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_ok or re.search(r"[\s\x00-\x1f\x7f]", value):
        raise wrong("not an address; write http://host:port/path or https://host/path")
    if parts.username is not None or parts.password is not None:
        raise wrong("an address holds no user or password: it would be written to logs and records")
    if parts.query or parts.fragment:
        raise wrong("an address here ends with its path; '?' and '#' are not taken")
    return value.rstrip("/")


def _headers(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if _HEADER.fullmatch(name) is None or re.search(r"[\r\n\x00]", text) or not text.isprintable() or not text.isascii():
            raise wrong("a header has a plain name and a value of printable ASCII in one line")
        if name.lower() in _CREDENTIAL_HEADERS:
            raise wrong(f"'{name.lower()}' carries a secret; use api_key: {{env: NAME}} instead")
        if name.lower() in _OWN_HEADERS:
            raise wrong(f"'{name.lower()}' is set by Ninefold itself")
    return value


def _moment(value: str) -> str:
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        raise wrong("not a date; write 2027-01-31 or 2027-01-31T12:00:00Z") from None
    return (parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)).isoformat()


Seconds = Annotated[float, BeforeValidator(as_number), Field(gt=0, le=86_400)]
Usd = Annotated[Decimal, BeforeValidator(_decimal), AfterValidator(_nanos_fit)]
Count = Annotated[int, Field(gt=0, le=_MAX_INT)]
Port = Annotated[int, Field(ge=0, le=65_535)]
Name = Annotated[str, _matching(_NAME, "at most 63 letters, digits, '.', '_' and '-'")]
ModelName = Annotated[str, _matching(_MODEL_NAME, "at most 128 letters, digits, '.', '_', '-', ':', '/' and '@'")]
ModelPattern = Annotated[str, _matching(_PATTERN, "at most 128 letters, digits, '.', '_', '-', ':', '/', '@', '*', '?' and '[…]'")]
Text = Annotated[str, Field(min_length=1, max_length=4096)]
Url = Annotated[str, AfterValidator(_url)]
Headers = Annotated[dict[str, str], AfterValidator(_headers)]
Moment = Annotated[str, AfterValidator(_moment)]


class Secret(Section):
    """Where a secret is found: in a variable of the environment, or in a file."""

    env: str | None = Field(default=None, description="name of an environment variable")
    file: str | None = Field(default=None, description="path of a file; what it holds, without a final line break, is the secret")

    @model_validator(mode="before")
    @classmethod
    def _is_a_reference(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise wrong(WRITE_A_REFERENCE)
        named = [key for key in ("env", "file") if cast("dict[str, object]", value).get(key) is not None]
        if len(named) != 1:
            raise wrong("write exactly one of {env: NAME} and {file: PATH}")
        return cast("dict[str, object]", value)

    @model_validator(mode="after")
    def _names_a_variable(self) -> Secret:
        # Somebody who pastes the key itself where its variable's name belongs must not find it in a log.
        if self.env is not None and _VARIABLE.fullmatch(self.env) is None:
            raise wrong("env: takes the name of an environment variable (letters, digits and '_'), not the secret")
        return self

    def __str__(self) -> str:
        return f"{{env: {self.env}}}" if self.env is not None else f"{{file: {self.file}}}"
