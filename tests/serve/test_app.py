"""The wiring for Ray Serve, and the file that `serve deploy` takes."""

import importlib
from pathlib import Path

import pytest
import yaml
from ray.serve import Application
from ray.serve.schema import ServeDeploySchema

from core.settings import CONFIGS, Settings, load_settings
from serve.app import wire_api, wire_live


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data_dir=tmp_path, api_replicas=2, live_replicas=3)


def deployment_of(application: Application):
    return application._bound_deployment


def test_sockets_have_replicas_of_their_own_with_many_places(settings: Settings) -> None:
    live = deployment_of(wire_live(settings))
    assert live.num_replicas == 3
    assert live.max_ongoing_requests >= 1000
    assert live._deployment_config.autoscaling_config is None


def test_replicas_do_not_take_whole_cpus(settings: Settings) -> None:
    for application in (wire_api(settings), wire_live(settings)):
        options = deployment_of(application).ray_actor_options
        assert options is not None
        assert options["num_cpus"] <= 0.1
    assert deployment_of(wire_api(settings)).num_replicas == 2


def test_no_secret_shows_where_serve_prints_what_travels(tmp_path: Path) -> None:
    url = "postgresql://user:open-sesame@db/curagenie"
    application = wire_api(load_settings(data_dir=tmp_path, database_url=url))
    assert "open-sesame" not in repr(deployment_of(application).init_args)


@pytest.fixture(scope="module")
def deploy_file() -> ServeDeploySchema:
    return ServeDeploySchema.model_validate(yaml.safe_load((CONFIGS / "serve.yaml").read_text()))


def test_the_deploy_file_is_valid_and_names_what_exists(
    deploy_file: ServeDeploySchema, settings: Settings
) -> None:
    wired = {"api": wire_api(settings), "live": wire_live(settings)}
    assert {app.name: app.route_prefix for app in deploy_file.applications} == {
        "api": "/",
        "live": "/ws",
    }
    for app in deploy_file.applications:
        module, _, function = app.import_path.partition(":")
        assert callable(getattr(importlib.import_module(module), function))
        names = [deployment.name for deployment in app.deployments]
        assert names == [deployment_of(wired[app.name]).name]


def test_the_deploy_file_cuts_no_socket_and_listens_on_loopback(
    deploy_file: ServeDeploySchema,
) -> None:
    assert deploy_file.http_options.request_timeout_s is None
    assert deploy_file.http_options.host == "127.0.0.1"
