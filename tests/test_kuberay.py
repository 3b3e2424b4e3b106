"""configs/kuberay: valid for Kubernetes, and of the RayService what KubeRay's version 1 knows."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from pydantic import AliasChoices

from core.settings import Settings
from tests.builders.compose_file import compose_file

CHECKOUT = Path(__file__).parents[1]
FOLDER = CHECKOUT / "configs/kuberay"
KUBERNETES = "1.34"


def _read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


SERVICE = _read(FOLDER / "rayservice.yaml")
CLUSTER = SERVICE["spec"]["rayClusterConfig"]
GROUPS = {"head": CLUSTER["headGroupSpec"], "worker": CLUSTER["workerGroupSpecs"][0]}
BUILT_IN = sorted(path.name for path in FOLDER.iterdir() if path.name != "rayservice.yaml")


def pod_of(group: str) -> dict[str, Any]:
    return GROUPS[group]["template"]["spec"]


def container_of(group: str) -> dict[str, Any]:
    (container,) = pod_of(group)["containers"]
    return container


@pytest.mark.parametrize("name", BUILT_IN)
def test_what_kubernetes_itself_reads_follows_its_schema(name: str) -> None:
    kubernetes_validate.validate(_read(FOLDER / name), KUBERNETES, strict=True)


@pytest.mark.parametrize("group", GROUPS)
def test_the_pods_of_ray_follow_the_schema_of_kubernetes(group: str) -> None:
    template = GROUPS[group]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    kubernetes_validate.validate(pod, KUBERNETES, strict=True)


def test_the_schema_would_find_a_field_that_is_not_there() -> None:
    wrong = _read(FOLDER / "disruption-budget.yaml")
    wrong["spec"]["maxUnavailabel"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


def test_the_rayservice_says_only_what_kuberay_knows() -> None:
    """No package carries KubeRay's schema; these are the names of its API reference, ray.io/v1."""
    assert (SERVICE["apiVersion"], SERVICE["kind"]) == ("ray.io/v1", "RayService")
    assert SERVICE["spec"].keys() == {"upgradeStrategy", "serveConfigV2", "rayClusterConfig"}
    assert CLUSTER.keys() == {
        "rayVersion",
        "authOptions",
        "gcsFaultToleranceOptions",
        "enableInTreeAutoscaling",
        "autoscalerOptions",
        "headGroupSpec",
        "workerGroupSpecs",
    }
    assert GROUPS["head"].keys() == {"rayStartParams", "template"}
    assert GROUPS["worker"].keys() == {
        *("groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template")
    }


def test_ray_is_the_version_that_is_locked() -> None:
    locked = re.search(
        r"^ray(?:\[.*\])?==(\S+)", (CHECKOUT / "requirements/runtime.txt").read_text(), re.M
    )
    assert locked is not None
    assert CLUSTER["rayVersion"] == locked[1]


@pytest.mark.parametrize("group", GROUPS)
def test_ray_takes_the_parameters_that_its_nodes_start_with(group: str) -> None:
    from ray.scripts.scripts import start

    known = {option for parameter in start.params for option in parameter.opts}
    given = GROUPS[group]["rayStartParams"]
    assert {f"--{name}" for name in given} <= known
    assert all(isinstance(value, str) for value in given.values())


def test_it_serves_what_containers_of_compose_serve() -> None:
    from ray.serve.schema import ServeDeploySchema

    served = yaml.safe_load(SERVICE["spec"]["serveConfigV2"])
    ServeDeploySchema.model_validate(served)
    assert served == _read(CHECKOUT / "configs/compose/serve.yaml")


def test_the_cluster_asks_for_its_token_and_outlives_its_head() -> None:
    assert CLUSTER["authOptions"] == {"mode": "token", "secretName": "curagenie-ray-token"}
    tolerance = CLUSTER["gcsFaultToleranceOptions"]
    assert tolerance["redisPassword"]["valueFrom"]["secretKeyRef"] == {
        "name": "curagenie",
        "key": "redis_password",
    }
    assert GROUPS["head"]["rayStartParams"]["num-cpus"] == "0"


def test_workers_come_and_go_within_bounds() -> None:
    group = GROUPS["worker"]
    assert CLUSTER["enableInTreeAutoscaling"] is True
    assert 2 <= group["minReplicas"] <= group["replicas"] < group["maxReplicas"]


@pytest.mark.parametrize("group", GROUPS)
def test_no_pod_is_root_or_may_become_it(group: str) -> None:
    pod, container = pod_of(group), container_of(group)
    assert pod["securityContext"]["runAsNonRoot"] is True
    uid = re.search(r"--uid (\d+)", (CHECKOUT / "configs/Dockerfile").read_text())
    assert uid is not None
    assert pod["securityContext"]["runAsUser"] == int(uid[1])
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


@pytest.mark.parametrize("group", GROUPS)
def test_every_pod_has_probes_limits_and_the_time_to_drain(group: str) -> None:
    container = container_of(group)
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()
    assert {"requests", "limits"} == container["resources"].keys()
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    drain = int(environment["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"])
    assert pod_of(group)["terminationGracePeriodSeconds"] > drain


@pytest.mark.parametrize("group", GROUPS)
def test_every_variable_is_a_setting_and_none_is_a_secret(group: str) -> None:
    aliases = [field.validation_alias for field in Settings.model_fields.values()]
    settings = {str(a.choices[0] if isinstance(a, AliasChoices) else a) for a in aliases}
    for entry in container_of(group)["env"]:
        assert entry["name"] in settings | {"RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"}
        assert not re.search("PASSWORD|SECRET_|TOKEN|ACCESS_KEY", entry["name"])
        assert not re.search("://[^/@]*:[^/@]*@", entry["value"])


@pytest.mark.parametrize("group", GROUPS)
def test_every_mount_has_its_volume(group: str) -> None:
    mounted = {mount["name"] for mount in container_of(group)["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod_of(group)["volumes"]}
    claims = [
        v["persistentVolumeClaim"]["claimName"]
        for v in pod_of(group)["volumes"]
        if "persistentVolumeClaim" in v
    ]
    assert claims == [_read(FOLDER / "data-volume.yaml")["metadata"]["name"]]


def test_only_the_operator_and_rays_own_pods_reach_the_dashboard() -> None:
    policy = _read(FOLDER / "network-policy.yaml")["spec"]
    ours = {"matchLabels": {"app.kubernetes.io/name": "curagenie"}}
    assert policy["podSelector"] == ours
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    for rule in policy["ingress"]:
        names = [
            peer.get("podSelector", {}).get("matchLabels", {}).get("app.kubernetes.io/name", "")
            for peer in rule["from"]
        ]
        if "ports" not in rule:
            assert rule["from"] == [{"podSelector": ours}]
        elif any(port["port"] not in (8000, 8080) for port in rule["ports"]):
            assert all(name.startswith("kuberay") for name in names)


def test_labels_that_others_select_by_are_those_of_the_pods() -> None:
    for group in GROUPS.values():
        assert group["template"]["metadata"]["labels"] == {"app.kubernetes.io/name": "curagenie"}
    budget = _read(FOLDER / "disruption-budget.yaml")["spec"]
    assert budget["selector"]["matchLabels"]["app.kubernetes.io/name"] == "curagenie"


def test_its_image_and_secrets_are_those_of_compose() -> None:
    file = compose_file()
    assert container_of("head")["image"] == file["services"]["head"]["image"]
    assert container_of("worker")["image"] == file["services"]["worker"]["image"]
    assert "redis_password" in file["secrets"]
