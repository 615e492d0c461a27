"""The one configuration: `ninefold.yaml` and `NINEFOLD__SECTION__KEY`, parsed once into one frozen tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationError, field_validator, model_validator

from ninefold.app.config_check import LOCAL_MODELS, check, problems_of
from ninefold.app.config_problem import ConfigInvalid, Place, Steps, problem
from ninefold.app.config_routing import BreakerLimits, Capabilities, Load, Model, Priority, Route, Share, TaskClass
from ninefold.app.config_source import Document, override, override_from_environment, read_yaml
from ninefold.app.config_types import (
    Count,
    Headers,
    ModelName,
    ModelPattern,
    Moment,
    Name,
    Port,
    Seconds,
    Secret,
    Section,
    Text,
    Url,
    Usd,
    as_number,
    wrong,
)
from ninefold.app.policy_files import configured_policies
from ninefold.domain.policy import Policy
from ninefold.wire.dialects.vendors import VENDORS

DEFAULT_FILE = "ninefold.yaml"
Seconds30d = Annotated[float, BeforeValidator(as_number), Field(gt=0, le=31_536_000)]
Operations = Literal[
    "chat",
    "embeddings",
    "count_tokens",
    "responses",
    "completions",
    "rerank",
    "moderations",
    "images",
    "transcription",
    "speech",
    "passthrough",
]


class Server(Section):
    """Where Ninefold listens, and how."""

    host: Text = Field(default="127.0.0.1", description="address to listen on")
    port: Port = Field(default=8080, description="port of the data plane; 0 takes a free one")
    control_port: Port | None = Field(default=None, description="port of the control plane; the next one after `port` where not set")
    workers: int = Field(default=1, ge=1, le=256, description="gateway processes sharing the port")
    max_body_bytes: int = Field(default=32 * 1024 * 1024, ge=1024, le=1024**3, description="largest request body; above it 413")
    drain_s: Seconds = Field(default=30.0, description="how long running requests may go on when a process stops")
    durability: Literal["group", "strict"] = Field(
        default="group", description="`group`: fsync within 10 ms; `strict`: an answer waits for it; a tenant may say otherwise"
    )
    responses_ttl_s: Seconds30d = Field(default=2_592_000.0, description="how long stored responses (`previous_response_id`) are kept")
    idempotency_ttl_s: Seconds30d = Field(default=86_400.0, description="how long an answer is given again for its `Idempotency-Key`")
    load: Load = Field(default_factory=Load, description="what holds where more comes than can be served")

    @property
    def effective_control_port(self) -> int:
        """The control plane's port; 0 where the data plane's is 0 too."""
        if self.control_port is not None:
            return self.control_port
        return self.port + 1 if self.port else 0


class Database(Section):
    """Where control keeps what it must not lose. A plain string is its `url`."""

    url: Text = Field(default="sqlite", description="`sqlite` (files below data_dir) or postgresql://user@host/name")
    password: Secret | None = Field(default=None, description="the database's password")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"url": value} if isinstance(value, str) else value

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, value: str) -> str:
        scheme, found, rest = value.partition("://")
        if value == "sqlite":
            return value
        if not found or scheme not in {"postgresql", "postgres"} or not rest:
            raise wrong("write sqlite, or postgresql://user@host/name")
        if ":" in rest.rpartition("@")[0]:
            raise wrong("a password never stands in an address; write database: {url: postgresql://user@host/name, password: {env: NAME}}")
        return f"postgresql://{rest}"


class PriceList(Section):
    """Dollars per million tokens."""

    input_per_million: Usd = Field(description="dollars per million input tokens")
    output_per_million: Usd = Field(description="dollars per million output tokens")
    cached_input_per_million: Usd | None = Field(
        default=None, description="dollars per million tokens read from the vendor's cache; the vendor's usual share of the input price"
    )
    cache_write_per_million: Usd | None = Field(
        default=None, description="dollars per million tokens written to the vendor's cache; the vendor's usual share of the input price"
    )


class Deployment(Section):
    """Where a model really runs."""

    name: ModelName = Field(description="how routes, records and headers call it")
    provider: str = Field(
        description="whose protocol it speaks: " + ", ".join(VENDORS) + "; `openai` for all that speak it (vLLM, Ollama …)"
    )
    base_url: Url | None = Field(default=None, description="address of the API; the vendor's public one for openai and anthropic")
    api_key: Secret | None = Field(default=None, description="credential for the vendor; none is sent where not set")
    api_keys: tuple[Secret, ...] = Field(default=(), description="several credentials: the next one serves where one is refused or limited")
    credentials: dict[Name, Secret] = Field(
        default_factory=dict,
        description="named secrets of a vendor that takes them; bedrock: access_key_id, secret_access_key, session_token",
    )
    model: Text = Field(
        description="the vendor's name for the model; local: `embed`, `reader` or the path of a .gguf file; rules: the path of their file"
    )
    region: Text | None = Field(default=None, description="where the data goes; bedrock's region")
    api_version: Text | None = Field(default=None, description="version of the vendor's API, where it wants one (azure)")
    capabilities: Capabilities = Field(default_factory=Capabilities, description="what it can do")
    quality: dict[Name, Share] = Field(default_factory=dict, description="evaluation score by task class, 0 to 1; `default` for all others")
    reserved_for: tuple[Name, ...] = Field(default=(), description="tenants that may use it; all where empty")
    max_in_flight: Count | None = Field(default=None, description="requests it is given at once by one worker")
    breaker: BreakerLimits = Field(default_factory=BreakerLimits, description="when it rests")
    price: PriceList | None = Field(default=None, description="replaces the catalogue's price")
    max_output_tokens: Count = Field(default=8192, le=10_000_000, description="output cap that is injected where a caller sets none")
    operations: tuple[Operations, ...] | None = Field(
        default=None, description="what it can answer; all that the provider can where not set"
    )
    passthrough: bool = Field(
        default=False,
        description="opens the vendor's own endpoints at /passthrough/{model}/; tenants who may use it share what lies in its account",
    )
    headers: Headers = Field(default_factory=dict, description="sent with each request")
    proxy: Url | None = Field(default=None, description="HTTP proxy to connect through")
    ca_file: Text | None = Field(default=None, description="PEM file that replaces the system's trusted authorities")

    @field_validator("provider")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in VENDORS:
            raise wrong(f"must be one of {', '.join(VENDORS)}")
        return value

    @model_validator(mode="after")
    def _keys_once(self) -> Deployment:
        if self.api_key is not None and self.api_keys:
            raise wrong("write api_key, or api_keys where there are several")
        return self


class Attribution(Section):
    """Who a request is booked to where it does not say."""

    product: Text | None = Field(default=None, description="product")
    workflow: Text | None = Field(default=None, description="workflow")
    environment: Text | None = Field(default=None, description="environment")
    feature: Text | None = Field(default=None, description="feature")
    task_id: Text | None = Field(default=None, description="task")


class TenantAttribution(Attribution):
    """The default owner of a tenant's requests, or none."""

    required: bool = Field(default=False, description="a request that nobody owns is refused; excludes defaults")

    @model_validator(mode="after")
    def _one_or_the_other(self) -> TenantAttribution:
        if self.required and self.model_fields_set != {"required"}:
            raise wrong("either required: true, or defaults")
        return self


class ApiKey(Section):
    """A credential of a tenant."""

    name: Name = Field(description="how records call it")
    secret: Secret = Field(description="where the key is found; any string is accepted as a key")
    expires_at: Moment | None = Field(default=None, description="date or moment (UTC where it does not say) after which it is refused")
    attribution: Attribution = Field(default_factory=Attribution, description="who its requests are booked to")


class BudgetLimit(Section):
    """A hard limit on money."""

    limit_usd: Usd = Field(description="dollars in one window")
    window: Literal["hour", "day", "week", "month", "total"] = Field(description="UTC calendar window; `total` never starts anew")

    @field_validator("limit_usd")
    @classmethod
    def _positive(cls, value: Any) -> Any:
        if value <= 0:
            raise wrong("a budget must be above 0; to stop a tenant, list no models for it")
        return value


class Limits(Section):
    """Hard limits on rates, and on what runs at once."""

    requests_per_minute: Count | None = Field(default=None, description="requests a minute")
    requests_per_day: Count | None = Field(default=None, description="requests a day")
    tokens_per_minute: Count | None = Field(default=None, description="input and output tokens a minute")
    tokens_per_day: Count | None = Field(default=None, description="input and output tokens a day")
    input_tokens_per_minute: Count | None = Field(default=None, description="input tokens a minute")
    input_tokens_per_day: Count | None = Field(default=None, description="input tokens a day")
    output_tokens_per_minute: Count | None = Field(default=None, description="output tokens a minute")
    output_tokens_per_day: Count | None = Field(default=None, description="output tokens a day")
    concurrent_requests: Count | None = Field(default=None, description="requests running at once")


class Tenant(Section):
    """Who pays."""

    name: Name = Field(description="how keys, records and statements call it")
    keys: tuple[ApiKey, ...] = Field(default=(), description="credentials declared here; others are made with `ninefold keys create`")
    models: tuple[ModelPattern, ...] = Field(
        default=(), description="names or patterns such as `local/*`; nothing listed is nothing allowed"
    )
    budgets: tuple[BudgetLimit, ...] = Field(default=(), description="hard limits on money, one a window")
    limits: Limits = Field(default_factory=Limits, description="hard limits on rates")
    attribution: TenantAttribution = Field(default_factory=TenantAttribution, description="default owner of its requests")
    max_request_bytes: Count | None = Field(default=None, description="largest request body of this tenant")
    max_output_tokens: Count | None = Field(default=None, description="most output tokens one answer for this tenant may have")
    durability: Literal["group", "strict"] | None = Field(default=None, description="replaces server.durability")
    regions: tuple[Text, ...] = Field(default=(), description="regions its data may go to; anywhere where empty")
    priority: Priority = Field(default="normal", description="highest priority of its requests, and theirs where they claim none")


class Local(Section):
    """The models that come with Ninefold."""

    enabled: bool = Field(default=True, description="whether local/embed and local/reader exist")


class Audit(Section):
    """The audit log."""

    witness: Text | None = Field(
        default=None,
        description="file or folder, on another disk, in a git working copy or a mounted bucket, that keeps its checkpoints too",
    )


class DatedPrice(PriceList):
    """A price that holds from a day on, whatever the catalogue says."""

    provider: str = Field(description="whose model it is")
    model: Text = Field(description="the vendor's name for the model")
    effective_from: Moment = Field(default="1970-01-01T00:00:00+00:00", description="date or moment from which it holds")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Origin:
    """Where a configuration came from."""

    base_dir: Path
    file: Path | None
    places: dict[Steps, Place]
    policies: tuple[Policy, ...]


def _default_tenants() -> tuple[Tenant, ...]:
    return (Tenant(name="default", models=LOCAL_MODELS),)


class Config(Section):
    """All of it. `base_dir` is the folder that relative paths start from; `places` says where each value was written."""

    server: Server = Field(default_factory=Server, description="where Ninefold listens, and how")
    data_dir: Text = Field(default=".ninefold", description="folder of everything that Ninefold writes")
    database: Database = Field(default_factory=Database, description="`sqlite`, or postgresql://user@host/name")
    audit: Audit = Field(default_factory=Audit, description="the audit log")
    local: Local = Field(default_factory=Local, description="the models that come with Ninefold")
    deployments: tuple[Deployment, ...] = Field(default=(), description="where models really run")
    models: tuple[Model, ...] = Field(default=(), description="what callers ask for")
    task_classes: tuple[TaskClass, ...] = Field(default=(), description="kinds of work that routes may tell apart")
    tenants: tuple[Tenant, ...] = Field(
        default_factory=_default_tenants,
        description="who asks and pays; without the key one tenant `default` that may use the local models",
    )
    prices: tuple[DatedPrice, ...] = Field(default=(), description="your own prices by date, before the catalogue's")
    policies: tuple[Text, ...] = Field(default=(), description="policy files, by pattern; `*.tests.yaml` are their cases")

    _base_dir: Path = PrivateAttr(default_factory=Path)
    _file: Path | None = PrivateAttr(default=None)
    _places: Mapping[Steps, Place] = PrivateAttr(default_factory=lambda: MappingProxyType[Steps, Place]({}))
    _rules: tuple[Policy, ...] = PrivateAttr(default=())

    def model_post_init(self, context: object, /) -> None:
        if isinstance(context, _Origin):
            self._base_dir, self._file, self._places = context.base_dir, context.file, MappingProxyType(context.places)
            self._rules = context.policies

    @property
    def base_dir(self) -> Path:
        """The folder that relative paths start from: the file's, or the working directory."""
        return self._base_dir

    @property
    def file(self) -> Path | None:
        """The file this came from; None for the embedded defaults."""
        return self._file

    @property
    def places(self) -> Mapping[Steps, Place]:
        """Where each value that is not a default was written."""
        return self._places

    @property
    def rules(self) -> tuple[Policy, ...]:
        """The policies in the files that `policies` names."""
        return self._rules

    @property
    def all_deployments(self) -> tuple[Deployment, ...]:
        """Those declared, and the local ones that come with Ninefold."""
        names = {each.name for each in self.deployments}
        own = [Deployment(name=name, provider="local", model=name.removeprefix("local/")) for name in LOCAL_MODELS if name not in names]
        return (*self.deployments, *own) if self.local.enabled else self.deployments

    @property
    def all_models(self) -> tuple[Model, ...]:
        """Those declared, and the local ones that come with Ninefold."""
        names = {each.name for each in self.models}
        own = [Model(name=name, route=Route(deployments=(name,))) for name in LOCAL_MODELS if name not in names]
        return (*self.models, *own) if self.local.enabled else self.models

    def path(self, written: str) -> Path:
        """`written` as an absolute path."""
        return Path.absolute(self._base_dir / Path(written).expanduser())


def load_config(path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, object] | None = None) -> Config:
    """The configuration in `path` (None: the embedded defaults), with `NINEFOLD__SECTION__KEY` of `environ` over it, and over those
    `overrides` (`{"server.port": 9000}`, from a command line).

    Raises: ConfigInvalid, with every problem at once.
    """
    document = _read(path) if path is not None else Document(source="default")
    base_dir = path.absolute().parent if path is not None else Path.cwd()
    override_from_environment(document, environ)
    override(document, overrides or {}, "command line")
    # A section with nothing under it (`policies:` whose entries are commented out) is a section that is not there.
    root = {key: value for key, value in document.root.items() if value is not None or key not in Config.model_fields}
    rules, wrong = configured_policies(root, base_dir)
    problems = [*document.problems, *check(root, document, base_dir), *wrong]
    try:
        config = Config.model_validate(root, context=_Origin(base_dir=base_dir, file=path, places=document.values, policies=rules))
    except ValidationError as error:
        raise ConfigInvalid([*problems, *problems_of(error, Config, document)]) from None
    if problems:
        raise ConfigInvalid(problems)
    return config


def _read(path: Path) -> Document:
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"cannot be read: {error.strerror or 'unknown reason'}"
        raise ConfigInvalid([problem(Place(source=str(path)), (), message)]) from None
    return read_yaml(data, str(path))
