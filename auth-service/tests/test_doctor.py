"""`auth-service doctor`: what an operator learns about everything that can be wrong."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import insert

from auth_service.commands.doctor import doctor
from auth_service.commands.keys import keys
from auth_service.demo import PASSWORD as DEMO_PASSWORD
from auth_service.second_factor.protection import Protection
from auth_service.settings import Settings
from auth_service.tables import second_factor
from auth_service.users.accounts import User
from tests.conftest import Service

CheckUp = Callable[..., Result]

TRAEFIK = """\
#!/bin/sh
cat > /dev/null < traefik.yml
echo '{"level":"info","message":"Starting"}'
%s
exec sleep 30
"""


@pytest.fixture
def check_up(service: Service, environ: dict[str, str], tmp_path: Path) -> CheckUp:
    """Run the command on the running service, with some variables changed."""

    def run(*options: str, **changes: str) -> Result:
        arguments = ["--url", service.url, "--gateway-dir", str(tmp_path / "none"), *options]
        return CliRunner().invoke(doctor, arguments, env={**environ, **changes})

    return run


def line(result: Result, subject: str) -> str:
    """Return the only line about a subject."""
    found = [text for text in result.output.splitlines() if text[7:].startswith(subject)]
    assert len(found) == 1, result.output
    return found[0]


def test_a_healthy_service_gets_one_line_a_check_and_exit_code_0(check_up: CheckUp) -> None:
    """The usual case can be read at a glance, and by a program."""
    result = check_up()

    assert result.exit_code == 0, result.output
    verdicts = [text.split()[0] for text in result.output.splitlines()]
    assert verdicts.count("ok") >= 6
    assert set(verdicts) == {"ok", "-"}


def test_a_program_can_read_the_findings(check_up: CheckUp) -> None:
    """With --json each line is an object, and the exit code is the same."""
    result = check_up("--json", ENVIRONMENT="production")

    findings = {f["subject"]: f for f in map(json.loads, result.output.splitlines())}
    assert result.exit_code == 1
    assert findings["keys"]["verdict"] == "wrong"
    assert findings["database"]["verdict"] == "ok"
    assert findings["gateway"]["verdict"] == "unchecked"
    assert "ENVIRONMENT=local" in findings["keys"]["sentence"]


def test_a_key_that_others_can_read_is_found(check_up: CheckUp, environ: dict[str, str]) -> None:
    """The line says which mode to give it."""
    pem = next(Path(environ["KEYS_DIR"]).glob("*.pem"))
    pem.chmod(0o644)
    try:
        result = check_up()
    finally:
        pem.chmod(stat.S_IRUSR | stat.S_IWUSR)

    assert result.exit_code == 1
    assert line(result, "keys").startswith("WRONG")
    assert "chmod 600" in line(result, "keys")


def test_a_broken_manifest_is_found(check_up: CheckUp, environ: dict[str, str]) -> None:
    """The service keeps running with the previous keys, so no request fails."""
    manifest = Path(environ["KEYS_DIR"]) / "manifest.json"
    good = manifest.read_bytes()
    try:
        manifest.write_bytes(b"{}")
        result = check_up()
    finally:
        manifest.write_bytes(good)

    assert result.exit_code == 1
    assert "manifest cannot be read" in line(result, "keys")


def test_a_jwks_of_other_keys_is_found(
    check_up: CheckUp, tmp_path: Path, environ: dict[str, str]
) -> None:
    """Two containers with different key volumes refuse each other's tokens."""
    other = {**environ, "KEYS_DIR": str(tmp_path / "keys")}
    CliRunner().invoke(keys, ["init"], env=other)

    result = check_up(KEYS_DIR=other["KEYS_DIR"])

    assert "Does that service use the same KEYS_DIR" in line(result, "JWKS")


def test_a_service_that_is_not_reachable_is_found(check_up: CheckUp) -> None:
    """The line contains the URL."""
    result = check_up("--url", "http://127.0.0.1:1")

    assert result.exit_code == 1
    assert "http://127.0.0.1:1/.well-known/jwks.json does not answer" in line(result, "JWKS")


def test_an_address_behind_which_something_else_answers_is_found(
    check_up: CheckUp, service: Service
) -> None:
    """A wrong path prefix is a common mistake."""
    result = check_up("--url", f"{service.url}/elsewhere")

    assert "answers 404" in line(result, "JWKS")


def test_an_unreachable_database_is_found_and_its_password_not_shown(check_up: CheckUp) -> None:
    """The line can be pasted into a ticket."""
    result = check_up(AUTH_DATABASE_URL="postgresql://u:hidden-word@127.0.0.1:1/auth")

    assert result.exit_code == 1
    assert "The database of AUTH_DATABASE_URL does not answer" in line(result, "database")
    assert "hidden-word" not in result.output


def test_a_database_without_its_tables_is_found(check_up: CheckUp, postgres_url: str) -> None:
    """The line names the command."""
    result = check_up(AUTH_DATABASE_URL=postgres_url, ENVIRONMENT="staging")

    assert result.exit_code == 1
    assert "auth-service migrate" in line(result, "schema")
    assert "answers" in line(result, "database")


@pytest.mark.parametrize("rights", [{"is_staff": True}, {"is_superuser": True}])
def test_the_demo_password_is_found_outside_a_laptop(
    check_up: CheckUp, add_user: Callable[..., User], tmp_path: Path, rights: dict[str, bool]
) -> None:
    """Everyone knows the password of that staff account, whatever its username is."""
    add_user("root", password=DEMO_PASSWORD, **rights)
    elsewhere = {"ENVIRONMENT": "staging", "KEYS_DIR": str(tmp_path / "keys")}

    result = check_up(**elsewhere)

    assert result.exit_code == 1
    assert "set-password root" in line(result, "demo admin")


def test_laptop_keys_are_found_outside_a_laptop(check_up: CheckUp) -> None:
    """They were created for a demo, and others may have a copy."""
    result = check_up(ENVIRONMENT="production")

    assert result.exit_code == 1
    assert "ENVIRONMENT=local" in line(result, "keys")


def test_a_missing_spare_is_found_outside_a_laptop(
    check_up: CheckUp, environ: dict[str, str], tmp_path: Path
) -> None:
    """It is needed in an emergency, and then it is too late to publish one."""
    elsewhere = {"ENVIRONMENT": "staging", "KEYS_DIR": str(tmp_path / "keys")}
    CliRunner().invoke(keys, ["init", "--no-spare"], env={**environ, **elsewhere})

    result = check_up(**elsewhere)

    assert "auth-service keys spare" in line(result, "keys")


def test_a_clock_that_is_wrong_is_found(
    check_up: CheckUp, monkeypatch: pytest.MonkeyPatch, service: Service
) -> None:
    """Tokens would be refused as issued in the future, or expire at once."""
    service.clock.advance(minutes=5)
    monkeypatch.setattr("auth_service.commands.doctor.utc_now", service.clock)

    result = check_up()

    assert result.exit_code == 1
    assert "differs from the database's clock by 300 s" in result.output


@pytest.fixture
def gateway(tmp_path: Path) -> Callable[[str], list[str]]:
    """A gateway folder, and a program that stands in for Traefik and writes its log."""
    folder = tmp_path / "gateway"
    folder.mkdir()
    (folder / "traefik.yml").write_text('entryPoints: {web: {address: ":8000"}}\n')

    def options(script: str) -> list[str]:
        program = tmp_path / "traefik"
        program.write_text(TRAEFIK % script)
        program.chmod(0o700)
        return ["--gateway-dir", str(folder), "--traefik", str(program)]

    return options


def test_a_gateway_that_boots_is_reported(
    check_up: CheckUp, gateway: Callable[[str], list[str]]
) -> None:
    """Traefik runs on a copy of the configuration, on free ports."""
    result = check_up(*gateway("grep -q 'address: \"127.0.0.1:[1-9]' traefik.yml || echo error"))

    assert result.exit_code == 0, result.output
    assert line(result, "gateway").startswith("ok")


def test_a_router_that_traefik_ignores_is_found(
    check_up: CheckUp, gateway: Callable[[str], list[str]]
) -> None:
    """Its health check stays green, and callers get 404."""
    error = json.dumps({"level": "error", "error": "middleware missing@file does not exist"})

    result = check_up(*gateway(f"echo '{error}'"))

    assert result.exit_code == 1
    assert "middleware missing@file does not exist" in line(result, "gateway")


def test_a_gateway_that_does_not_start_is_found(
    check_up: CheckUp, gateway: Callable[[str], list[str]]
) -> None:
    """The reason is the first error in its log."""
    result = check_up(*gateway("echo 'error: field not found, node: entryPoint' >&2; exit 1"))

    assert result.exit_code == 1
    assert "field not found" in line(result, "gateway")


def test_second_factors_that_no_key_decrypts_are_found(
    check_up: CheckUp, service: Service, add_user: Callable[..., User], settings: Settings
) -> None:
    """A lost key is noticed before a user is; and when a replaced one can be removed."""
    user = add_user()
    current = settings.second_factor_keys[0]
    with service.engine.begin() as connection:
        encrypted = Protection([current]).encrypt("SECRET", user_id=user.id)
        values = {"user_id": user.id, "secret": encrypted, "created_at": service.clock()}
        connection.execute(insert(second_factor).values(**values))

    assert "1 are decrypted, 0 of them" in line(check_up(), "second factors")
    replaced = check_up(SECOND_FACTOR_KEY=f"{'n' * 32},{current}")
    assert "1 are decrypted, 1 of them by an older key" in line(replaced, "second factors")
    lost = check_up(SECOND_FACTOR_KEY="n" * 32)
    assert lost.exit_code == 1
    assert "does not decrypt 1 of them" in line(lost, "second factors")
