"""The Grafana dashboard asks for metrics that exist."""

import json
import re
from pathlib import Path

import pytest
import ray
import yaml
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from core.settings import CONFIGS

GRAFANA = CONFIGS / "grafana"
DASHBOARD = json.loads((GRAFANA / "dashboards" / "curagenie.json").read_text("utf-8"))
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
RAY_SOURCES = ["serve/_private/replica.py", "dashboard/modules/metrics/dashboards"]


def metrics_of(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:curagenie|ray)_[a-z_]+", expression))


def ray_metrics() -> set[str]:
    """What Serve's replicas export, and what Ray's own dashboards ask its nodes for."""
    root = Path(ray.__file__).parent
    sources = [
        file
        for name in RAY_SOURCES
        for file in ([root / name] if name.endswith(".py") else sorted((root / name).glob("*.py")))
    ]
    text = "\n".join(file.read_text("utf-8") for file in sources)
    replicas = {f"ray_{name}" for name in re.findall(r'"(serve_[a-z_]+)"', text)}
    return replicas | set(re.findall(r"\bray_[a-z_]+", text))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_metric_of_the_dashboard_is_exported(client: TestClient, expression: str) -> None:
    families = text_string_to_metric_families(client.get("/metrics").text)
    exported = {family.name for family in families} | ray_metrics()
    asked = {name.removesuffix("_bucket") for name in metrics_of(expression)}
    assert asked
    assert asked <= exported


def test_every_metric_of_ours_is_on_the_dashboard(client: TestClient) -> None:
    families = text_string_to_metric_families(client.get("/metrics").text)
    shown = set().union(*(metrics_of(expression) for expression in EXPRESSIONS))
    assert {family.name for family in families} <= shown


def test_the_panels_ask_the_data_source_that_is_provisioned() -> None:
    text = (GRAFANA / "provisioning/datasources/prometheus.yml").read_text("utf-8")
    uids = {source["uid"] for source in yaml.safe_load(text)["datasources"]}
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} <= uids
