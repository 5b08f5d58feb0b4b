"""Compose file, image, alerts and dashboard say only what the code knows."""

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.config import PREFIX, Settings
from pipeline.observability.catalogue import CATALOGUE, Kind

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"].startswith("throughline")}


def _series() -> set[str]:
    suffixes = {Kind.COUNTER: ("",), Kind.GAUGE: ("",), Kind.HISTOGRAM: ("_bucket", "_sum", "_count")}
    return {spec.name + suffix for spec in CATALOGUE for suffix in suffixes[spec.kind]}


def test_compose_follows_the_specification() -> None:
    """The file is valid by the Compose Specification's own schema."""
    checker = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", ROOT / "docker-compose.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", OURS)
def test_every_setting_of_a_service_exists(name: str) -> None:
    """An unknown setting would stop the service at its start."""
    for variable in OURS[name]["environment"]:
        group, _, key = variable.removeprefix(PREFIX).lower().partition("__")
        group_model = Settings.model_fields[group].annotation
        assert group_model is not None
        assert key in group_model.model_fields, variable


@pytest.mark.parametrize("name", OURS)
def test_every_command_of_a_service_runs(name: str) -> None:
    """The command exists: its help says so."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *OURS[name]["command"], "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_secret_is_explained() -> None:
    """What the compose file asks of the environment stands in the example."""
    asked = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text(encoding="utf-8")))
    example = (ROOT / "deploy" / "env.example").read_text(encoding="utf-8")
    assert asked == set(re.findall(r"^(\w+)=", example, re.MULTILINE))


def test_services_run_without_root_or_rights() -> None:
    """The image names a user, and no service of ours keeps a capability or a writable root."""
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^USER 10001$", dockerfile, re.MULTILINE)
    for service in OURS.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True


def test_mounted_files_exist() -> None:
    """Every file or folder that a container mounts is in the repository."""
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (ROOT / source).exists(), source


def test_clickhouse_users_have_least_rights() -> None:
    """The default user is gone and the analyst may only read."""
    users = ET.parse(ROOT / "deploy" / "clickhouse" / "users.d" / "throughline.xml").getroot()
    assert users.find("users/default[@remove]") is not None
    grants = [query.text or "" for query in users.findall("users/analyst/grants/query")]
    assert grants
    assert all(grant.startswith("GRANT SELECT ON") for grant in grants)


def test_alerts_and_dashboard_use_exported_metrics_only() -> None:
    """Every series in a rule or panel comes from the catalogue."""
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
    dashboard = json.loads(
        (ROOT / "deploy" / "grafana" / "dashboards" / "throughline.json").read_text(encoding="utf-8")
    )
    expressions = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    expressions += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    used = {name for expression in expressions for name in re.findall(r"throughline_\w+", expression)}
    assert used
    assert used <= _series()
