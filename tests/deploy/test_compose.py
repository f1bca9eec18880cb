"""The compose file, read as data: there is no Docker engine where the tests run."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from apa import config
from feedback_service.config import FeedbackSettings
from sampler_service.config import SamplerSettings
from tests.deploy.tools import DEPLOY
from trainer_worker.config import TrainerSettings

COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS: dict[str, type[config.Settings]] = {
    "sampler": SamplerSettings,
    "feedback": FeedbackSettings,
    "trainer": TrainerSettings,
}


def dockerfile(service: str) -> str:
    path: str = SERVICES[service]["build"]["dockerfile"]
    return (DEPLOY.parent / path).read_text()


def image_environment(service: str) -> dict[str, str]:
    """What the image sets for our settings."""
    return dict(re.findall(r"(APA_\w+)=(\S+)", dockerfile(service)))


def test_the_whole_system_is_there() -> None:
    assert set(SERVICES) == {"redis", *OURS, "prometheus", "grafana"}


@pytest.mark.parametrize("service", OURS)
def test_a_service_accepts_what_its_image_and_compose_set(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in {**image_environment(service), **SERVICES[service]["environment"]}.items():
        monkeypatch.setenv(key, value)
    settings = config.load(OURS[service])
    assert settings.host == "0.0.0.0"
    assert settings.redis_url == "redis://redis:6379/0"


@pytest.mark.parametrize("service", OURS)
def test_published_and_probed_ports_are_the_ones_listened_on(service: str) -> None:
    environment = image_environment(service)
    listened = {value for key, value in environment.items() if key.endswith("_PORT")}
    published = {port.split(":")[-1] for port in SERVICES[service].get("ports", [])}
    exposed = set(re.findall(r"^EXPOSE (.+)$", dockerfile(service), flags=re.M)[0].split())
    probed = re.findall(r'"apa\.rpc\.probe", "[^"]*127\.0\.0\.1:(\d+)', dockerfile(service))
    assert listened == exposed
    assert {*published, *probed} <= listened


@pytest.mark.parametrize("name", SERVICES)
def test_every_part_says_whether_it_is_healthy_and_is_restarted(name: str) -> None:
    service = SERVICES[name]
    assert "healthcheck" in service or "HEALTHCHECK" in dockerfile(name)
    assert service["restart"] == "unless-stopped"


def test_services_wait_for_a_healthy_redis() -> None:
    for name in OURS:
        assert SERVICES[name]["depends_on"] == {"redis": {"condition": "service_healthy"}}


def test_redis_keeps_what_it_acknowledged() -> None:
    command = " ".join(SERVICES["redis"]["command"])
    for option in ("--appendonly yes", "--appendfsync always", "--maxmemory-policy noeviction"):
        assert option in command
    assert SERVICES["redis"]["volumes"] == ["redis-data:/data"]


def test_a_port_is_published_on_loopback_only() -> None:
    for name, service in SERVICES.items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name}: {port}"


def test_a_server_has_longer_to_stop_than_it_gives_its_calls() -> None:
    grace_s = config.ServerSettings.model_fields["grace_s"].default
    for name in ("sampler", "feedback"):
        assert float(SERVICES[name]["stop_grace_period"].removesuffix("s")) > grace_s


def test_volumes_and_mounted_files_exist() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    for source in (mount.split(":")[0] for mount in mounts):
        assert source in COMPOSE["volumes"] or (DEPLOY / source).exists(), source


def test_prometheus_scrapes_the_services_where_they_serve_metrics() -> None:
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in scraped}
    assert targets == {
        name: [f"{name}:{image_environment(name)[f'APA_{name.upper()}_METRICS_PORT']}"] for name in OURS
    }


def test_grafana_is_given_the_datasource_and_the_dashboard() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    (datasource,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())[
        "datasources"
    ]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "apa.yml").read_text())["providers"]
    assert datasource["url"] == "http://prometheus:9090"
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in SERVICES["grafana"]["volumes"]
