"""Which process reads which variable, on a laptop and in containers."""

import os
import re
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.config.environments import AUTH, BILLING, GATEWAY, SANDBOX
from dev.config.settings import ROOT, load
from dev.system import system

SECRETS = {
    "STRIPE_API_SECRET": {"billing-service", "billing-worker"},
    "DJANGO_SECRET_KEY": {"billing-service", "billing-worker"},
    "BILLING_DATABASE_URL": {"billing-service", "billing-worker"},
    "AUTH_DATABASE_URL": {"auth-service", "auth-worker"},
    "AUTH_INTERNAL_CLIENT_SECRET": {
        *("auth-service", "auth-worker", "billing-service", "billing-worker")
    },
    "SECOND_FACTOR_KEY": {"auth-service", "auth-worker"},
    "STRIPE_WEBHOOK_SECRET": {"billing-service", "billing-worker", "stripe-sandbox"},
    "POSTGRES_PASSWORD": set(),
}


@pytest.mark.parametrize(("name", "readers"), SECRETS.items())
def test_a_secret_reaches_only_its_readers(root: Path, name: str, readers: set[str]) -> None:
    """A leak in one process gives away only what that process needed."""
    whole = system(load({}, root=root))

    holders = {process.name for process in whole.processes if name in process.env}

    assert holders == readers


def test_unrelated_variables_of_the_shell_stay_outside(root: Path) -> None:
    """What else a developer has exported reaches no process."""
    whole = system(load({"PATH": "/bin", "CLOUD_TOKEN": "private"}, root=root))

    assert all("CLOUD_TOKEN" not in process.env for process in whole.processes)


def test_every_dependency_exists(root: Path) -> None:
    """The start would wait forever for a component that does not exist."""
    whole = system(load({}, root=root))
    names = {component.name for component in whole.components}

    assert all(set(component.after) <= names for component in whole.components)


def test_with_real_stripe_no_sandbox_is_waited_for(root: Path) -> None:
    """Nothing depends on the sandbox when it is left out."""
    whole = system(load({"STRIPE_API_SECRET": "sk_test_51Real", "STRIPE_API_BASE": ""}, root=root))

    assert "stripe-sandbox" not in {component.name for component in whole.components}
    assert all("stripe-sandbox" not in component.after for component in whole.components)


def test_a_database_of_ones_own_is_used(root: Path) -> None:
    """An address in `.env` wins over the bundled server's."""
    elsewhere = "postgresql://auth@db.example/auth"

    whole = system(load({"AUTH_DATABASE_URL": elsewhere}, root=root))
    auth = next(process for process in whole.processes if process.name == "auth-service")

    assert auth.env["AUTH_DATABASE_URL"] == elsewhere


def sample_readers() -> dict[str, str]:
    """Every variable of `.env.sample` with the letters of those who read it."""
    readers: dict[str, str] = {}
    letters = ""
    for line in (ROOT / ".env.sample").read_text().splitlines():
        if tag := re.search(r"\[([A-Z][^\]]*)\]$", line):
            letters = tag[1].split(";")[0]
        elif variable := re.match(r"#?([A-Z][A-Z0-9_]+)=", line):
            readers[variable[1]] = letters
    return readers


@pytest.mark.parametrize(
    ("letter", "readable"),
    [("A", AUTH), ("B", BILLING), ("S", SANDBOX), ("G", GATEWAY)],
)
def test_the_sample_file_says_who_reads_what(letter: str, readable: tuple[str, ...]) -> None:
    """A variable that the sample promises to a process reaches it."""
    promised = [name for name, letters in sample_readers().items() if letter in letters.split()]
    unread = [n for n in promised if not any(fnmatchcase(n, pattern) for pattern in readable)]

    assert len(promised) > 2
    assert unread == []


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The services of docker-compose.yml."""
    services: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return services


@pytest.mark.parametrize(
    ("service", "readable"),
    [
        ("auth-service", AUTH),
        ("auth-worker", AUTH),
        ("billing-service", (*BILLING, "TEST_*")),
        ("billing-worker", BILLING),
        ("stripe-sandbox", SANDBOX),
        ("gateway", GATEWAY),
    ],
)
def test_containers_are_given_what_processes_are_given(
    compose: dict[str, Any], service: str, readable: tuple[str, ...]
) -> None:
    """A variable that works on a laptop works in containers, and no more is handed out."""
    given = set(compose[service]["environment"])
    plain = {name for name in readable if "*" not in name} - {"BILLING_BIND"}

    assert plain - given == set()
    assert {n for n in given if not any(fnmatchcase(n, p) for p in readable)} == set()


def test_the_sample_file_holds_for_containers() -> None:
    """A variable that the sample promises is read by Compose, and not only written over."""
    text = (ROOT / "docker-compose.yml").read_text()
    kept_in_volumes = {"KEYS_DIR", "JWKS_CACHE_FILE"}
    read_by_compose_itself = {"COMPOSE_PROFILES"}
    promised = {name for name, letters in sample_readers().items() if letters != "D"}

    unread = {
        name for name in promised if not re.search(rf"\$\{{{name}\b|\b{name}:$", text, re.MULTILINE)
    }

    assert unread == kept_in_volumes | read_by_compose_itself


def test_a_demo_password_of_the_superuser_stops_postgres(
    compose: dict[str, Any], tmp_path: Path
) -> None:
    """Outside `local`, one sentence names the unchanged password, and no database is created."""
    (tmp_path / "docker-entrypoint.sh").write_text('#!/bin/sh\necho "starts $@"\n')
    (tmp_path / "docker-entrypoint.sh").chmod(0o755)
    command = [*compose["postgres"]["entrypoint"], *compose["postgres"]["command"]]
    argv = [word.replace("$$", "$") for word in command]

    def start(environment: str, password: str) -> subprocess.CompletedProcess[str]:
        path = f"{tmp_path}:{os.environ['PATH']}"
        env = {"PATH": path, "ENVIRONMENT": environment, "POSTGRES_PASSWORD": password}
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)

    refused = start("production", "local-only-postgres")

    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert "POSTGRES_PASSWORD" in refused.stderr
    assert start("local", "local-only-postgres").stdout == "starts postgres\n"
    assert start("production", "of our own").stdout == "starts postgres\n"


def test_only_gateway_and_sandbox_publish_ports(compose: dict[str, Any]) -> None:
    """Nothing can be reached past the gateway; by default, it listens on this machine alone."""
    published = {name: service["ports"] for name, service in compose.items() if "ports" in service}

    assert set(published) == {"gateway", "stripe-sandbox"}
    assert published["stripe-sandbox"][0].startswith("127.0.0.1:")
    assert published["gateway"][0].startswith("${GATEWAY_BIND:-127.0.0.1}:")


def test_every_container_is_hardened(compose: dict[str, Any]) -> None:
    """Nothing can be written into an image at run time, nothing gains rights."""
    for name, service in compose.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
