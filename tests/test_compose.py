"""docker-compose.yml: valid for Compose, closed to others, and made of what really exists."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import AliasChoices

from core.settings import Settings, load_settings
from serve.create_bucket import create_bucket
from tests.builders.compose_file import (
    CHECKOUT,
    ComposeService,
    compose_file,
    compose_services,
)
from tests.builders.s3_server import running_s3_server

SERVICES = compose_services()
RAY_NODES = ("head", "worker")
OURS = [name for name, service in SERVICES.items() if service.is_ours]
OF_OTHERS = {
    "CURAGENIE_DOMAIN",  # the Caddyfile's
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "POSTGRES_DB",
    "POSTGRES_INITDB_ARGS",
    "POSTGRES_PASSWORD_FILE",
    "POSTGRES_USER",
    "GF_ANALYTICS_CHECK_FOR_UPDATES",
    "GF_ANALYTICS_REPORTING_ENABLED",
    "GF_SECURITY_ADMIN_PASSWORD__FILE",
    "GF_USERS_ALLOW_SIGN_UP",
    "RAY_AUTH_MODE",
    "RAY_AUTH_TOKEN_PATH",
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S",
    "RAY_PROMETHEUS_HOST",
    "RAY_REDIS_ADDRESS",
}


def every_service(*, that_stays: bool = False) -> Any:
    chosen = [s for s in SERVICES.values() if not (that_stays and s.ends)]
    return pytest.mark.parametrize("service", chosen, ids=[s.name for s in chosen])


def test_the_file_follows_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    run = subprocess.run(
        [*command, CHECKOUT / "docker-compose.yml"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


@every_service(that_stays=True)
def test_every_service_that_stays_says_whether_it_is_well_and_starts_again(
    service: ComposeService,
) -> None:
    health = service.keys["healthcheck"]
    assert health["test"][0] in {"CMD", "CMD-SHELL"}
    assert {"interval", "timeout", "retries"} <= health.keys()
    assert service.keys["restart"] == "unless-stopped"


@every_service()
def test_no_service_is_root_or_may_become_it_or_change_its_own_files(
    service: ComposeService,
) -> None:
    assert str(service.keys["user"]).partition(":")[0] not in {"", "0", "root"}
    assert service.keys["cap_drop"] == ["ALL"]
    assert service.keys["security_opt"] == ["no-new-privileges:true"]
    assert service.keys["read_only"] is True


@every_service()
def test_every_image_is_of_one_version_and_none_is_minio(service: ComposeService) -> None:
    name, _, tag = service.keys["image"].rpartition(":")
    assert name
    assert re.match(r"v?\d+\.\d+", tag), service.keys["image"]
    assert "minio" not in name


def test_only_the_door_is_published_and_on_loopback_the_two_pages_for_operators() -> None:
    published = {
        name: service.keys["ports"] for name, service in SERVICES.items() if "ports" in service.keys
    }
    assert published == {
        "head": ["127.0.0.1:8265:8265"],
        "proxy": [
            "${CURAGENIE_BIND:-127.0.0.1}:443:8443",
            "${CURAGENIE_BIND:-127.0.0.1}:80:8080",
        ],
        "grafana": ["127.0.0.1:3000:3000"],
    }


@every_service()
def test_every_variable_is_a_setting_of_ours_or_known_to_its_program(
    service: ComposeService,
) -> None:
    aliases = [field.validation_alias for field in Settings.model_fields.values()]
    settings = {str(a.choices[0] if isinstance(a, AliasChoices) else a) for a in aliases}
    known = OF_OTHERS | settings if service.is_ours else OF_OTHERS
    assert service.environment.keys() <= known


@every_service()
def test_no_environment_holds_a_secret(service: ComposeService) -> None:
    for name, value in service.environment.items():
        if re.search("PASSWORD|SECRET|TOKEN|KEY", name):
            assert str(value).startswith("/run/secrets"), name
        assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), name


@every_service()
def test_what_a_service_names_is_there(service: ComposeService) -> None:
    file = compose_file()
    assert set(service.keys.get("secrets", [])) <= file["secrets"].keys()
    assert set(service.keys.get("networks", [])) <= file["networks"].keys()
    assert {entry["source"] for entry in service.keys.get("configs", [])} <= file["configs"].keys()
    for volume in service.keys.get("volumes", []):
        source = volume.partition(":")[0] if isinstance(volume, str) else None
        assert source is None or source.startswith("./") or source in file["volumes"]
    for name, condition in service.keys.get("depends_on", {}).items():
        asks_for_health = condition["condition"] == "service_healthy"
        assert SERVICES[name].ends is not asks_for_health


@every_service()
def test_whom_a_service_names_it_can_reach(service: ComposeService) -> None:
    said = " ".join([*map(str, service.environment.values()), *service.command])
    named = set(re.findall(r"([a-z][a-z0-9]*):\d", said)) & SERVICES.keys()
    if service.name == "prometheus":
        named |= set(re.findall(r"head|worker", (CHECKOUT / "configs/prometheus.yml").read_text()))
    if service.name == "proxy":
        named |= {"worker"}
    for name in named - {service.name}:
        shared = set(service.keys["networks"]) & set(SERVICES[name].keys["networks"])
        assert shared, f"{service.name} cannot reach {name}"


def test_every_file_that_is_handed_to_a_container_is_in_the_checkout() -> None:
    for config in compose_file()["configs"].values():
        assert (CHECKOUT / config["file"]).is_file()
    assert (CHECKOUT / "configs/grafana/provisioning/datasources/prometheus.yml").is_file()


def test_the_secrets_are_made_once_for_this_user_alone(tmp_path: Path) -> None:
    script = CHECKOUT / "configs/compose/make_secrets.sh"
    subprocess.run([script, tmp_path / "secrets"], check=True)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    files = [Path(secret["file"]) for secret in compose_file()["secrets"].values()]
    assert {str(file.parent) for file in files} == {"secrets"}
    assert made.keys() == {file.name for file in files}
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in made.values())
    assert len(set(made.values())) == len(made)
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    subprocess.run([script, tmp_path / "secrets"], check=True)
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == made


def test_the_secrets_are_not_committed() -> None:
    ignored = subprocess.run(
        ["git", "check-ignore", "-q", "secrets/ray_token"], cwd=CHECKOUT, check=False
    )
    assert ignored.returncode == 0


@pytest.mark.parametrize("name", RAY_NODES)
def test_ray_takes_the_words_that_start_its_nodes(name: str) -> None:
    from ray.scripts.scripts import start

    words = words_of(SERVICES[name])
    program, verb, *options = words[words.index("ray") :]
    assert (program, verb) == ("ray", "start")
    context = start.make_context("start", options)
    assert context.params["block"]
    assert context.params["metrics_export_port"] == 8080
    if name == "head":
        assert context.params["num_cpus"] == 0
    else:
        assert context.params["address"] == "head:6379"


@pytest.mark.parametrize("name", RAY_NODES)
def test_a_node_has_the_memory_it_promises_and_the_time_to_drain(name: str) -> None:
    keys = SERVICES[name].keys
    (store,) = re.findall(r"--object-store-memory=(\d+)", shlex.join(SERVICES[name].command))
    assert int(store) < int(keys["shm_size"].removesuffix("gb")) * 1024**3
    drain = int(keys["environment"]["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"])
    assert int(keys["stop_grace_period"].removesuffix("s")) > drain
    assert keys["environment"]["RAY_AUTH_MODE"] == "token"


def test_serve_takes_the_words_that_deploy() -> None:
    from ray.serve.scripts import deploy

    command = SERVICES["deploy"].command
    assert command[:2] == ["serve", "deploy"]
    mounted = [config["target"] for config in SERVICES["deploy"].keys["configs"]]
    words = [str(CHECKOUT / "configs/compose/serve.yaml") if w in mounted else w for w in command]
    context = deploy.make_context("deploy", words[2:])
    assert context.params["address"] == "http://head:8265"


def test_containers_serve_what_the_checkout_serves_on_their_own_network() -> None:
    from ray.serve.schema import ServeDeploySchema

    deployed = yaml.safe_load((CHECKOUT / "configs/compose/serve.yaml").read_text())
    ServeDeploySchema.model_validate(deployed)
    assert deployed["http_options"].pop("host") == "0.0.0.0"
    elsewhere = yaml.safe_load((CHECKOUT / "configs/serve.yaml").read_text())
    assert elsewhere["http_options"].pop("host") == "127.0.0.1"
    assert deployed == elsewhere


def test_the_bucket_is_made_where_there_is_none_and_left_where_it_is(tmp_path: Path) -> None:
    with running_s3_server(tmp_path) as server:
        settings = load_settings(
            s3_bucket_name="genomes",
            aws_endpoint_url=server.endpoint_url,
            aws_access_key_id=server.access_key_id,
            aws_secret_access_key=server.secret_access_key,
        )
        assert create_bucket(settings)
        assert not create_bucket(settings)
    assert SERVICES["bucket"].command == ["python", "-m", "serve.create_bucket"]


def test_the_s3_server_is_given_the_keys_that_the_service_signs_with(tmp_path: Path) -> None:
    for name in ("aws_access_key_id", "aws_secret_access_key"):
        (tmp_path / name).write_text(f"{name} of a file")
    script = SERVICES["s3"].command[-1].partition("&&")[0]
    script = script.replace("/run/secrets", str(tmp_path)).replace("/tmp/s3.json", "/dev/stdout")
    ran = subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True)
    (identity,) = json.loads(ran.stdout)["identities"]
    assert identity["credentials"] == [
        {
            "accessKey": "aws_access_key_id of a file",
            "secretKey": "aws_secret_access_key of a file",
        }
    ]


def test_prometheus_asks_nodes_that_exist_at_the_ports_they_have() -> None:
    scraped = yaml.safe_load((CHECKOUT / "configs/prometheus.yml").read_text())["scrape_configs"]
    own, ray = scraped
    port = yaml.safe_load((CHECKOUT / "configs/serve.yaml").read_text())["http_options"]["port"]
    assert own["static_configs"] == [{"targets": [f"head:{port}"]}]
    (nodes,) = ray["dns_sd_configs"]
    assert set(nodes["names"]) == set(RAY_NODES)
    assert all(
        f"--metrics-export-port={nodes['port']}" in words_of(SERVICES[name]) for name in RAY_NODES
    )


def test_our_own_image_owns_the_folders_that_are_mounted_into_it() -> None:
    made = re.search(r"install -d -o curagenie .*", (CHECKOUT / "configs/Dockerfile").read_text())
    assert made is not None
    for name in OURS:
        for volume in SERVICES[name].keys["volumes"]:
            if isinstance(volume, str):
                assert volume.partition(":")[2] in made[0].split()


def words_of(service: ComposeService) -> list[str]:
    """The words of the command itself, also where a shell is asked to run it."""
    command = service.command
    return shlex.split(command[-1]) if command[:2] == ["sh", "-c"] else command
