"""The embedded stack in one process tree: Ray, Serve, SQLite and local disk, closed to others.

Development mode has no login, so the service listens on loopback; Ray asks for a token that
only this user can read. Nothing here outlives `running_stack`.
"""

import io
import os
import secrets
import shutil
import signal
import socket
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

from core.errors import ConflictError, SettingsError, Where
from core.settings import HttpProxy, Settings, is_loopback
from jobs.local_ray import start_local_ray

_DEFAULT_CPUS = 4
"""Logical CPUs on a small machine: jobs overlap, and the kernel shares the real ones."""

_MAX_FOLDER_LENGTH = 15

_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Stack:
    url: str
    dashboard_url: str | None

    @property
    def websocket_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/ws"


@contextmanager
def running_stack(settings: Settings, *, dashboard: bool = False) -> Generator[Stack]:
    """Everything up, and everything down at the end, whatever happened in between.

    Raises SettingsError for a host that is not loopback, ConflictError for a port in use.
    """
    check_host(settings)
    check_port(settings.host, settings.port)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    settings.scoring_files_dir.mkdir(parents=True, exist_ok=True)
    with _ray(settings, dashboard=dashboard) as dashboard_url:
        from serve.app import serving  # noqa: PLC0415 - imports Ray, see _ray

        with serving(settings):
            url = f"http://{_in_url(settings.host)}:{settings.port}"
            yield Stack(url=url, dashboard_url=dashboard_url)


def check_host(settings: Settings) -> None:
    """Without a login, only this machine may ask."""
    if settings.allow_remote_without_login or is_loopback(settings.host):
        return
    raise SettingsError(
        f"development mode has no login, so it does not listen on {settings.host}.",
        where=Where("environment or .env", field="CURAGENIE_HOST"),
        fix="Use 127.0.0.1, with a reverse proxy that asks for a login where others need access.",
    )


def check_port(host: str, port: int) -> None:
    """Serve would report a port in use only after a minute of retries."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConflictError(
                f"port {port} of {host} is in use.",
                fix=f"Stop what listens there, or choose another: --port {free_port(host)}.",
            ) from error


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on now; the next moment may tell otherwise."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@contextmanager
def _ray(settings: Settings, *, dashboard: bool) -> Generator[str | None]:
    """Ray reads how it authenticates when it is imported: so nothing imports it before this."""
    _prepare_environment(settings)
    temp_dir = Path(tempfile.mkdtemp(prefix="curagenie-ray-", dir=_short_folder()))
    # What a killed worker leaves in its temporary folder goes with the stack.
    scratch = tempfile.mkdtemp(prefix="curagenie-scratch-")
    os.environ["TMPDIR"] = scratch
    port = free_port() if dashboard else None
    on_term = signal.getsignal(signal.SIGTERM)
    try:
        start_local_ray(
            num_cpus=settings.num_cpus or max(_DEFAULT_CPUS, os.cpu_count() or 1),
            temp_dir=temp_dir,
            include_dashboard=dashboard,
            dashboard_port=port,
        )
        # Ray puts a handler of its own in place, which would skip our cleaning up.
        signal.signal(signal.SIGTERM, on_term)
        yield f"http://127.0.0.1:{port}" if dashboard else None
    finally:
        _stop_ray()
        for folder in (temp_dir, scratch):
            shutil.rmtree(folder, ignore_errors=True)


def _short_folder() -> str:
    """For Ray's sockets: the kernel takes paths of 107 characters, Ray itself needs 65 of them."""
    folder = tempfile.gettempdir()
    return folder if len(folder) <= _MAX_FOLDER_LENGTH else "/tmp"


def _stop_ray() -> None:
    import ray  # noqa: PLC0415 - see _ray

    # Ray prints what died on the way down; all of it is meant to.
    with redirect_stdout(io.StringIO()):
        ray.shutdown()


def _prepare_environment(settings: Settings) -> None:
    """Ray's processes inherit this; it must stand before the first of them starts."""
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(ray_token(settings.data_dir / "ray_token"))
    haproxy = settings.http_proxy is HttpProxy.HAPROXY
    os.environ["RAY_SERVE_ENABLE_HA_PROXY"] = "1" if haproxy else "0"
    os.environ["RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S"] = "1"
    os.environ["RAY_DATA_DISABLE_PROGRESS_BARS"] = "1"
    # Workers must import our packages from a checkout as from an installation.
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)


def ray_token(path: Path) -> Path:
    """Made once per data directory, for `ray job submit` by the same user."""
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
    return path
