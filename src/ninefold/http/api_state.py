"""`/api/v1/{snapshot,config/status,health}`: what is in force, and how the control plane does."""

from __future__ import annotations

from typing import Literal, Protocol

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ninefold.http.problem import responses


class SnapshotFacts(BaseModel):
    """The snapshot in force."""

    version: int = Field(description="grows by one with each change")
    digest: str
    policy_version: str
    compiled_at: float = Field(description="seconds since the epoch, UTC")
    deployments: int
    models: int
    tenants: int
    keys: int


class ConfigProblem(BaseModel):
    """One thing to be put right; `line` and `column` count from 1, 0 is none."""

    source: str
    line: int
    column: int
    path: str
    message: str


class ConfigStatus(BaseModel):
    """How the last read of the configuration went. What was refused changes nothing: the snapshot before stays in force."""

    file: str | None = Field(description="None: the embedded defaults")
    state: Literal["in_force", "refused"]
    snapshot_version: int = Field(description="the snapshot in force")
    loaded_at: float = Field(description="when the configuration in force was read, seconds since the epoch, UTC")
    checked_at: float = Field(description="when the file was last read, seconds since the epoch, UTC")
    problems: list[ConfigProblem] = Field(description="why the file as it stands is refused")
    restart_needed: list[str] = Field(description="settings whose new value takes effect only at the next start")


class LoopHealth(BaseModel):
    """One loop of the control process."""

    name: str
    running: bool
    rounds: int
    failures: int = Field(description="in a row; 0 is well")
    last_error: str | None = Field(description="the kind of the last failure")


class Health(BaseModel):
    """How the control plane does."""

    status: Literal["ok", "degraded"]
    loops: list[LoopHealth]


class StateDesk(Protocol):
    """What these routes need to know."""

    async def snapshot(self) -> SnapshotFacts:
        """The snapshot in force. Raises: Unavailable."""
        ...

    def config_status(self) -> ConfigStatus:
        """How the last read of the configuration went."""
        ...

    def health(self) -> Health:
        """How each loop does."""
        ...


def state_router(desk: StateDesk) -> APIRouter:
    """The routes over `desk`."""
    router = APIRouter(tags=["state"])

    @router.get("/snapshot", responses=responses(), operation_id="getSnapshot")
    async def snapshot() -> SnapshotFacts:
        """Say which snapshot is in force."""
        return await desk.snapshot()

    @router.get("/config/status", responses=responses(), operation_id="getConfigStatus")
    async def config_status() -> ConfigStatus:
        """Say whether the configuration file as it stands is in force, and if not, why, line by line."""
        return desk.config_status()

    @router.get("/health", responses=responses(), operation_id="getHealth")
    async def health() -> Health:
        """Say how each loop of the control process does."""
        return desk.health()

    return router
