"""config.toml plus environment → frozen settings. Stops at boot naming the bad key.

`DUKA_CONFIG` names another file. `DUKA_<SECTION>__<KEY>` overrides any key (`DUKA_DATABASE__URL`). Secrets are written as
`env:NAME` (taken from the environment) or `file:PATH` (first line of a file); plain text is refused for them.
"""

from __future__ import annotations

import os
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource


class ConfigError(Exception):
    """The configuration cannot be used; the message names the key and what to do."""


def _reveal(value: object) -> object:
    if not isinstance(value, str) or not value:
        return value
    kind, _, name = value.partition(":")
    if kind == "env":
        if not os.environ.get(name):
            raise ValueError(f"environment variable {name} is not set")
        return os.environ[name]
    if kind == "file":
        path = Path(name)
        if not path.is_file():
            raise ValueError(f"file {name} does not exist; `duka init` makes it")
        return path.read_text(encoding="utf-8").strip()
    raise ValueError("write a secret as env:NAME or file:PATH, never in clear")


Secret = Annotated[str, BeforeValidator(_reveal)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Database(_Section):
    url: str = "sqlite:///var/duka.db"


class Redis(_Section):
    url: str = "redis://127.0.0.1:6379/0"


class Secrets(_Section):
    key: Secret = Field(default="file:var/duka.key", validate_default=True)
    """Fernet keys, comma separated: the first encrypts, all decrypt."""


class Web(_Section):
    """One web door: where it listens and with how many processes."""

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)
    processes: int = Field(default=1, ge=1, le=64)


class Radius(_Section):
    host: str = "127.0.0.1"
    auth_port: int = Field(default=1812, ge=0, le=65535)
    acct_port: int = Field(default=1813, ge=0, le=65535)
    session_months: int = Field(default=0, ge=0, le=600)
    """How many months sessions are kept after their end; 0: for ever. What was used each day is kept in any case."""


class Tunnel(_Section):
    """Our end of the routers' tunnels."""

    host: str = ""
    """How routers reach it from outside, a name or an address; empty: no tunnels."""
    port: int = Field(default=51820, ge=1, le=65535)
    subnet: IPv4Network = IPv4Network("10.77.0.0/16")
    """Every router gets an address in it; the first is ours."""


class Jobs(_Section):
    workers: int = Field(default=2, ge=1, le=64)
    probe_seconds: int = Field(default=60, ge=10, le=3600)
    """How often each router is looked at."""


class Settings(BaseSettings):
    """Everything a person configures once per installation. What belongs to one ISP is stored with its tenant."""

    model_config = SettingsConfigDict(
        env_prefix="DUKA_",
        env_nested_delimiter="__",
        frozen=True,
        extra="ignore",
        nested_model_default_partial_update=True,
    )

    database: Database = Database()
    redis: Redis = Redis()
    secrets: Secrets = Field(default_factory=Secrets)
    public_url: str = "http://127.0.0.1:8081"
    """How payment companies reach the portal from outside; `/hooks/…` is appended."""
    ussd: Web = Web(port=8080, processes=2)
    portal: Web = Web(port=8081)
    radius: Radius = Radius()
    tunnel: Tunnel = Tunnel()
    jobs: Jobs = Jobs()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=config_path())


def config_path() -> Path:
    """The file in force."""
    return Path(os.environ.get("DUKA_CONFIG", "config.toml"))


def load(**overrides: Any) -> Settings:
    """Read the settings. Raises `ConfigError` in words for an owner; keyword arguments win over everything (tests)."""
    if "DUKA_CONFIG" in os.environ and not config_path().is_file():
        raise ConfigError(f"DUKA_CONFIG names {config_path()}, which does not exist")
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()]
        raise ConfigError(f"{config_path()}: " + "; ".join(lines)) from error
    except ValueError as error:
        raise ConfigError(f"{config_path()} cannot be read: {error}") from error
