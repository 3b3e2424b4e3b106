"""Each file that another program reads is checked with the schema or parser that program ships.

Where there is none (Dockerfile, requirements), the tests state the promises that the file makes.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pydantic import AliasChoices

from core.settings import Settings

CHECKOUT = Path(__file__).parents[1]


def _yaml(name: str) -> dict[str, Any]:
    return yaml.safe_load((CHECKOUT / name).read_text())


def test_the_cluster_file_is_valid_for_rays_own_launcher():
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared = prepare_config(_yaml("ray-cluster.yaml"))
    validate_config(prepared)
    assert prepared["max_workers"] == 2


def test_the_serve_file_is_valid_for_serve_deploy():
    from ray.serve.schema import ServeDeploySchema

    deployed = ServeDeploySchema.model_validate(_yaml("configs/serve.yaml"))
    assert deployed.http_options.host == "127.0.0.1"


@pytest.mark.parametrize("commands", ["head_start_ray_commands", "worker_start_ray_commands"])
def test_every_node_of_the_cluster_file_wants_the_token(commands: str):
    starts = [line for line in _yaml("ray-cluster.yaml")[commands] if " ray start " in line]
    assert len(starts) == 1
    assert "RAY_AUTH_MODE=token" in starts[0]


class TestDockerfile:
    """Docker ships no schema; these are the promises of the file's own first lines."""

    instructions = [
        line.split(None, 1)
        for line in re.sub(
            r"\\\n\s*", "", (CHECKOUT / "configs/Dockerfile").read_text()
        ).splitlines()
        if line.strip() and not line.startswith("#")
    ]

    def last(self, name: str) -> str:
        return [rest for word, rest in self.instructions if word == name][-1]

    def test_has_a_stage_that_installs_and_one_that_runs(self):
        stages = [rest for word, rest in self.instructions if word == "FROM"]
        assert len(stages) == 2
        assert stages[0].endswith(" AS build")

    def test_installs_only_what_the_lock_file_names(self):
        installs = [rest for word, rest in self.instructions if rest.startswith("pip install")]
        assert all("--require-hashes" in line or "--no-deps" in line for line in installs)

    def test_runs_without_root(self):
        assert self.last("USER") not in {"root", "0"}

    def test_runs_a_command_that_the_project_installs(self):
        scripts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["scripts"]
        assert yaml.safe_load(self.last("ENTRYPOINT"))[0] in scripts

    def test_copies_only_what_the_checkout_has(self):
        copies = [rest.split() for word, rest in self.instructions if word == "COPY"]
        sources = [path for words in copies if "--from=build" not in words for path in words[:-1]]
        assert sources
        assert [path for path in sources if not (CHECKOUT / path).exists()] == []


def test_the_example_environment_names_every_setting_and_no_other():
    text = (CHECKOUT / ".env.example").read_text()
    named = re.findall(r"^#? ?([A-Z][A-Z0-9_]*)=", text, flags=re.MULTILINE)
    assert sorted(named) == sorted(_variables())


def _variables() -> list[str]:
    """The name in the environment of every setting (the first, where it has several)."""
    aliases = [field.validation_alias for field in Settings.model_fields.values()]
    return [str(a.choices[0] if isinstance(a, AliasChoices) else a) for a in aliases]


def test_the_values_in_the_example_environment_are_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for variable in _variables():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(CHECKOUT)
    text = (CHECKOUT / ".env.example").read_text()
    example = tmp_path / "example.env"
    example.write_text("\n".join(re.findall(r"^# ([A-Z][A-Z0-9_]*=.+)$", text, re.MULTILINE)))
    assert Settings(_env_file=example) == Settings(_env_file=None)  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize(
    ("lock", "groups"), [("runtime", ["build"]), ("dev", ["build", "test", "lint"])]
)
def test_the_lock_file_holds_every_requirement_within_its_bounds(lock: str, groups: list[str]):
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    wanted = list(project["project"]["dependencies"])
    for group in groups:
        wanted += project["dependency-groups"][group]
    locked = _locked(lock)
    for requirement in map(Requirement, wanted):
        versions = locked.get(canonicalize_name(requirement.name), [])
        assert versions, f"{requirement} is not in requirements/{lock}.txt: run make lock"
        assert all(requirement.specifier.contains(version) for version in versions), requirement


def test_the_fuzzer_is_locked_apart_from_what_tests_need():
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    (atheris,) = map(Requirement, project["dependency-groups"]["fuzz"])
    (version,) = _locked("fuzz")[canonicalize_name(atheris.name)]
    assert atheris.specifier.contains(version)
    assert atheris.name not in _locked("dev")


def test_tests_run_with_the_versions_that_users_get():
    runtime, dev = _locked("runtime"), _locked("dev")
    assert runtime == {name: dev.get(name) for name in runtime}


def _locked(lock: str) -> dict[str, list[str]]:
    text = (CHECKOUT / f"requirements/{lock}.txt").read_text()
    versions: dict[str, list[str]] = {}
    for name, version in re.findall(
        r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;]+)", text, re.MULTILINE
    ):
        versions.setdefault(canonicalize_name(name), []).append(version)
    return versions
