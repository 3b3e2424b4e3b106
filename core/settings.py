"""Every setting of CuraGenie, validated once, read by entry points only.

Names come from the outside contract: `DATABASE_URL`, `REDIS_URL`, `AWS_*`, `S3_BUCKET_NAME`,
`SECRET_KEY`, `DEBUG` and `CORS_ORIGINS` keep theirs, everything of ours is `CURAGENIE_*`. The
environment wins over a `.env` file in the working directory, which wins over the files of
`CURAGENIE_SECRETS_DIR`: one per secret, named as its variable in small letters, as containers are
given them. Without any of them the embedded stack runs: SQLite and local disk under `data_dir`, one
address on loopback.
"""

from collections.abc import Mapping
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from core.errors import SettingsError, Where
from core.genome_build import GenomeBuild
from core.genotypes.directory_cache import default_folder
from core.storage.byte_ranges import S3Access
from core.storage.objects import ObjectsLocation

MIB = 1024 * 1024
GIB = 1024 * MIB
CONFIGS = Path(__file__).resolve().parents[1] / "configs"


class HttpProxy(StrEnum):
    """What Serve listens with. `python` holds a body in memory while it passes; `haproxy` keeps
    memory flat and latency low, but opens its statistics (8404) and metrics (9101) on every
    interface without a login, so it belongs behind a firewall."""

    PYTHON = "python"
    HAPROXY = "haproxy"


def _default_database_url(data: dict[str, Any]) -> str:
    return f"sqlite:///{data['data_dir']}/curagenie.db" if "data_dir" in data else ""


def _default_scoring_files_dir(data: dict[str, Any]) -> Path:
    return data.get("data_dir", Path()) / "scoring_files"


def _ours(name: str) -> AliasChoices:
    return AliasChoices(f"CURAGENIE_{name}")


_SECRETS_DIR = ("secrets_dir", "CURAGENIE_SECRETS_DIR")
"""What sources call it: by field or by variable."""


class Settings(BaseSettings):
    """One validated value per setting; tests build it by field name: `Settings(data_dir=...)`."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    data_dir: Path = Field(Path(".curagenie"), validation_alias=_ours("DATA_DIR"))
    cache_dir: Path = Field(default_factory=default_folder, validation_alias=_ours("CACHE_DIR"))
    config_dir: Path = Field(CONFIGS, validation_alias=_ours("CONFIG_DIR"))

    secrets_dir: Path | None = Field(None, validation_alias=_ours("SECRETS_DIR"))
    database_password: SecretStr | None = Field(None, validation_alias="DATABASE_PASSWORD")
    database_url: str = Field(
        default_factory=_default_database_url, validation_alias="DATABASE_URL", repr=False
    )
    redis_password: SecretStr | None = Field(None, validation_alias="REDIS_PASSWORD")
    redis_url: str | None = Field(None, validation_alias="REDIS_URL", repr=False)

    s3_bucket_name: str | None = Field(None, validation_alias="S3_BUCKET_NAME")
    aws_access_key_id: str | None = Field(None, validation_alias="AWS_ACCESS_KEY_ID")
    aws_secret_access_key: SecretStr | None = Field(None, validation_alias="AWS_SECRET_ACCESS_KEY")
    aws_endpoint_url: str | None = Field(None, validation_alias="AWS_ENDPOINT_URL")
    aws_region: str | None = Field(
        None, validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION")
    )

    secret_key: SecretStr | None = Field(None, validation_alias="SECRET_KEY")
    debug: bool = Field(default=False, validation_alias="DEBUG")
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field((), validation_alias="CORS_ORIGINS")

    host: str = Field("127.0.0.1", validation_alias=_ours("HOST"))
    allow_remote_without_login: bool = Field(
        default=False, validation_alias=_ours("ALLOW_REMOTE_WITHOUT_LOGIN")
    )
    http_proxy: HttpProxy = Field(HttpProxy.PYTHON, validation_alias=_ours("HTTP_PROXY"))
    port: int = Field(8000, ge=1, le=65535, validation_alias=_ours("PORT"))
    api_replicas: int = Field(1, ge=1, validation_alias=_ours("API_REPLICAS"))
    live_replicas: int = Field(1, ge=1, validation_alias=_ours("LIVE_REPLICAS"))
    num_cpus: int | None = Field(None, ge=1, validation_alias=_ours("NUM_CPUS"))

    scoring_files_dir: Path = Field(
        default_factory=_default_scoring_files_dir, validation_alias=_ours("SCORING_FILES_DIR")
    )
    pgs_catalog_url: str = Field(
        "https://www.pgscatalog.org/rest", validation_alias=_ours("PGS_CATALOG_URL")
    )
    chain_37_to_38: Path | None = Field(None, validation_alias=_ours("CHAIN_37_TO_38"))
    chain_38_to_37: Path | None = Field(None, validation_alias=_ours("CHAIN_38_TO_37"))
    reference_fasta_37: Path | None = Field(None, validation_alias=_ours("REFERENCE_FASTA_37"))
    reference_fasta_38: Path | None = Field(None, validation_alias=_ours("REFERENCE_FASTA_38"))
    shard_bytes: int | None = Field(None, ge=64 * 1024, validation_alias=_ours("SHARD_BYTES"))
    max_upload_bytes: int = Field(64 * GIB, ge=1, validation_alias=_ours("MAX_UPLOAD_BYTES"))
    presigned_downloads: bool = Field(default=False, validation_alias=_ours("PRESIGNED_DOWNLOADS"))

    progress_hz: float = Field(4.0, gt=0, le=100, validation_alias=_ours("PROGRESS_HZ"))
    lease_seconds: float = Field(30.0, gt=0, validation_alias=_ours("LEASE_SECONDS"))
    heartbeat_seconds: float = Field(10.0, gt=0, validation_alias=_ours("HEARTBEAT_SECONDS"))
    checkpoint_seconds: float = Field(5.0, ge=0, validation_alias=_ours("CHECKPOINT_SECONDS"))
    poll_seconds: float = Field(1.0, gt=0, validation_alias=_ours("POLL_SECONDS"))
    stop_seconds: float = Field(20.0, ge=0, validation_alias=_ours("STOP_SECONDS"))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The folder of secrets is itself a setting, so it is looked up in those before it."""
        sources = (init_settings, env_settings, dotenv_settings)
        given = [source().get(name) for source in sources for name in _SECRETS_DIR]
        folder = next((value for value in given if value), None)
        if folder is None or not Path(folder).is_dir():
            return sources
        return (*sources, SecretsSettingsSource(settings_cls, secrets_dir=folder))

    @field_validator("secrets_dir", mode="after")
    @classmethod
    def _existing(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_dir():
            raise ValueError("there is no such folder")
        return path

    @field_validator("data_dir", "cache_dir", "config_dir", "scoring_files_dir", mode="after")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().resolve()

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split_commas(cls, origins: object) -> object:
        if isinstance(origins, str):
            return tuple(part.strip() for part in origins.split(",") if part.strip())
        return origins

    @field_validator("database_url", mode="after")
    @classmethod
    def _known_database(cls, url: str, info: Any) -> str:
        scheme, _, rest = url.partition("://")
        if scheme.partition("+")[0] in {"postgresql", "postgres"}:
            return _with_password(url, info.data.get("database_password"))
        if scheme != "sqlite":
            raise ValueError("give a sqlite:///file or a postgresql://user:password@host/name URL")
        if rest in ("", "/", "/:memory:"):
            raise ValueError("give sqlite:///file: several processes share the database")
        # workers may run in another folder than the process that reads the settings
        return f"sqlite:///{Path(rest.removeprefix('/')).expanduser().resolve()}"

    @field_validator("redis_url", mode="after")
    @classmethod
    def _redis_with_password(cls, url: str | None, info: Any) -> str | None:
        return url and _with_password(url, info.data.get("redis_password"))

    @field_validator("pgs_catalog_url", mode="after")
    @classmethod
    def _public_or_on_this_machine(cls, url: str) -> str:
        if not _is_public_or_on_this_machine(url):
            raise ValueError("give an https:// URL, or http:// on loopback, of host and path alone")
        return url.rstrip("/")

    @field_validator("heartbeat_seconds", mode="after")
    @classmethod
    def _shorter_than_the_lease(cls, seconds: float, info: Any) -> float:
        if seconds >= info.data.get("lease_seconds", float("inf")):
            raise ValueError("heartbeats must come more often than CURAGENIE_LEASE_SECONDS")
        return seconds

    @property
    def chains(self) -> dict[GenomeBuild, Path]:
        """The chain files that lead to each build, where there are any."""
        return _by_build(
            {
                GenomeBuild.GRCH38: self.chain_37_to_38,
                GenomeBuild.GRCH37: self.chain_38_to_37,
            }
        )

    @property
    def reference_fastas(self) -> dict[GenomeBuild, Path]:
        """The reference FASTA of each build, where there are any."""
        return _by_build(
            {
                GenomeBuild.GRCH37: self.reference_fasta_37,
                GenomeBuild.GRCH38: self.reference_fasta_38,
            }
        )

    @property
    def objects_dir(self) -> Path:
        """Where stored objects live when no bucket is set."""
        return self.data_dir / "objects"

    @property
    def s3_access(self) -> S3Access | None:
        """How to reach S3; None leaves it to boto3's own chain (profiles, instance roles)."""
        secret = self.aws_secret_access_key
        given = (self.aws_endpoint_url, self.aws_access_key_id, secret, self.aws_region)
        if all(value is None for value in given):
            return None
        return S3Access(
            endpoint_url=self.aws_endpoint_url,
            access_key_id=self.aws_access_key_id,
            secret_access_key=secret.get_secret_value() if secret is not None else None,
            region=self.aws_region,
        )

    @property
    def objects_location(self) -> ObjectsLocation:
        """The bucket where one is set, else `objects_dir`; `open_objects` takes it."""
        return ObjectsLocation(root=self.objects_dir, bucket=self.s3_bucket_name, s3=self.s3_access)


def _with_password(url: str, password: SecretStr | None) -> str:
    """`url` with the password where it names none of its own: scheme://user:password@host/…"""
    scheme, _, rest = url.partition("://")
    authority = rest.partition("/")[0]
    user, at, _ = authority.rpartition("@")
    if password is None or ":" in user:
        return url
    secret = quote(password.get_secret_value(), safe="")
    return f"{scheme}://{user}:{secret}@{rest.removeprefix(user + at)}"


def _by_build(files: Mapping[GenomeBuild, Path | None]) -> dict[GenomeBuild, Path]:
    """Those that are set, absolute: workers may run in another folder."""
    known = {build: path for build, path in files.items() if path is not None}
    return {build: path.expanduser().absolute() for build, path in known.items()}


def _is_public_or_on_this_machine(url: str) -> bool:
    """https, or http on loopback, with a host and neither user, query nor fragment."""
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    is_plain = not (parts.username or parts.password or parts.query or parts.fragment)
    is_local = parts.scheme == "http" and is_loopback(parts.hostname or "")
    return has_host and is_plain and (parts.scheme == "https" or is_local)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def load_settings(**values: Any) -> Settings:
    """The settings of this process; `values` (by field name) win over the environment.

    Raises SettingsError that names the variable and never repeats its value.
    """
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = _variable(first["loc"])
        raise SettingsError(
            f"{first['msg'].removeprefix('Value error, ')}.",
            where=Where(file="environment or .env", field=name),
            fix=f"Correct {name}, or remove it to use the default.",
        ) from error


def _variable(location: tuple[int | str, ...]) -> str:
    """pydantic names a bad value by field or by alias; people set the environment variable."""
    name = str(location[0])
    field = Settings.model_fields.get(name)
    alias = field.validation_alias if field is not None else name
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else str(alias)
