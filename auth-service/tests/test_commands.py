"""The command line: migrate, the demo superuser, and accounts in an emergency."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from click.testing import CliRunner, Result

from auth_service import __version__
from auth_service.cli import main
from auth_service.tables import metadata
from auth_service.users.accounts import User, find_with_hash
from tests.conftest import Service

Run = Callable[..., Result]
PASSWORD_LINE = "correct horse battery\n"


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    """Run a command as an operator would."""

    def invoke(*arguments: str, typed: str = "", **more: str) -> Result:
        return CliRunner().invoke(main, arguments, input=typed, env={**environ, **more})

    return invoke


def test_migrate_prepares_the_first_start(run: Run, empty_database: str, tmp_path: Path) -> None:
    """Tables, keys and the demo superuser; a second run changes nothing."""
    keys_dir = tmp_path / "keys"
    more = {"AUTH_DATABASE_URL": empty_database, "KEYS_DIR": str(keys_dir)}

    first = run("migrate", **more)
    written = {path: path.read_bytes() for path in keys_dir.iterdir() if path.is_file()}
    second = run("migrate", **more)

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "demo superuser admin" in first.output
    assert second.output == ""
    assert {path: path.read_bytes() for path in written} == written
    assert {oct(path.stat().st_mode & 0o777) for path in written} == {"0o600"}
    listed = run("users", "list", **more)
    assert "admin  active,staff,superuser  never" in listed.output


def test_outside_local_there_is_no_demo_superuser(
    run: Run, empty_database: str, tmp_path: Path
) -> None:
    """A production database starts without an account."""
    more = {
        "AUTH_DATABASE_URL": empty_database,
        "KEYS_DIR": str(tmp_path / "keys"),
        "ENVIRONMENT": "production",
    }
    assert run("migrate", **more).exit_code == 0
    assert run("users", "list", **more).output == ""


def test_a_production_server_refuses_the_demo_password(
    run: Run, empty_database: str, tmp_path: Path
) -> None:
    """A database that came from a laptop does not go live with the published password."""
    more = {"AUTH_DATABASE_URL": empty_database, "KEYS_DIR": str(tmp_path / "keys")}
    run("migrate", **more)

    refused = run("serve", ENVIRONMENT="production", **more)

    assert refused.exit_code == 1
    assert "admin" in refused.output
    assert "set-password" in refused.output


def test_the_migrations_create_the_tables_of_the_code(service: Service) -> None:
    """A change of one of the two needs a change of the other."""
    with service.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_an_unreachable_database_is_one_sentence(run: Run) -> None:
    """Exit code 1 and the reason, without a traceback and without the password."""
    url = "postgresql://auth:top-secret@127.0.0.1:1/auth"
    done = run("migrate", AUTH_DATABASE_URL=url)
    assert done.exit_code == 1
    assert done.output.startswith("Error: The database cannot be reached: ")
    assert "top-secret" not in done.output


@pytest.mark.parametrize("command", ["serve", "users list"])
def test_an_unmigrated_database_is_one_sentence(
    run: Run, empty_database: str, tmp_path: Path, command: str
) -> None:
    """The message names the command to run, instead of a traceback."""
    more = {"AUTH_DATABASE_URL": empty_database, "KEYS_DIR": str(tmp_path / "keys")}
    done = run(*command.split(), ENVIRONMENT="production", **more)
    assert done.exit_code == 1
    assert "Run `auth-service migrate`" in done.output


def test_an_admin_is_created_and_can_log_in(
    run: Run, service: Service, obtain: Callable[..., httpx.Response]
) -> None:
    """The password is typed twice and never shown."""
    done = run("users", "create-admin", "boss", typed=PASSWORD_LINE * 2)

    assert done.exit_code == 0
    assert "correct horse" not in done.output
    assert obtain("boss").status_code == 200
    with service.engine.connect() as connection:
        found = find_with_hash(connection, "boss")
    assert found is not None
    assert (found[0].is_staff, found[0].is_superuser) == (True, True)


@pytest.mark.parametrize(
    ("arguments", "typed", "sentence"),
    [
        (
            ["create-admin", "ada", "--password-stdin"],
            PASSWORD_LINE,
            "This username is already taken.",
        ),
        (["create-admin", "boss", "--password-stdin"], "short\n", "at least 8 characters"),
        (["set-password", "ada", "--password-stdin"], "password123\n", "too common"),
        (["set-password", "eve", "--password-stdin"], PASSWORD_LINE, "There is no user eve."),
        (["deactivate", "eve"], "", "There is no user eve."),
        (["deactivate", "root"], "", "This is the last active superuser."),
    ],
)
def test_a_refused_command_is_one_sentence(
    run: Run,
    add_user: Callable[..., User],
    arguments: list[str],
    typed: str,
    sentence: str,
) -> None:
    """Exit code 1 and the reason."""
    add_user("ada")
    add_user("root", is_staff=True, is_superuser=True)

    done = run("users", *arguments, typed=typed)

    assert done.exit_code == 1
    assert sentence in done.output
    assert "Traceback" not in done.output


def test_a_password_set_from_a_script_revokes_sessions(
    run: Run,
    add_user: Callable[..., User],
    obtain: Callable[..., httpx.Response],
    refresh: Callable[[str], httpx.Response],
) -> None:
    """For an account that was taken over."""
    add_user()
    token = obtain().json()["refresh"]

    done = run("users", "set-password", "ada", "--password-stdin", typed="a brand new one\n")

    assert done.exit_code == 0
    assert refresh(token).status_code == 401
    assert obtain(password="a brand new one").status_code == 200


def test_deactivate_and_list(
    run: Run, add_user: Callable[..., User], obtain: Callable[..., httpx.Response]
) -> None:
    """One line for each user, with the rights."""
    user = add_user("ada")
    add_user("grace", is_staff=True)

    assert run("users", "deactivate", "ada").exit_code == 0

    assert obtain("ada").status_code == 401
    lines = run("users", "list").output.splitlines()
    assert f"{user.id}  ada  inactive  never" in lines
    (found,) = run("users", "list", "--search", "grace", "--json").output.splitlines()
    assert json.loads(found)["username"] == "grace"
    assert json.loads(found)["is_staff"] is True


@pytest.mark.parametrize("username", ["bo ss", "\N{LATIN SMALL LIGATURE FFI}" * 60])
def test_an_invalid_username_is_wrong_usage(run: Run, username: str) -> None:
    """Exit code 2, as for a wrong option, before the password is asked for."""
    done = run("users", "create-admin", username)

    assert done.exit_code == 2
    assert "is not valid: Use " in done.output


def test_the_version_is_that_of_the_package(run: Run) -> None:
    """An operator sees which release runs; the OpenAPI document has the same number."""
    assert run("--version").output == f"auth-service {__version__}\n"
