"""`auth-service keys` as an operator types it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from auth_service.cli import main


class Operator:
    """Types commands against one key directory."""

    def __init__(self, keys_dir: Path, environment: str) -> None:
        self.environ = {
            "ENVIRONMENT": environment,
            "KEYS_DIR": str(keys_dir),
            "AUTH_DATABASE_URL": "postgresql://auth@127.0.0.1:1/none",
            "AUTH_INTERNAL_CLIENT_SECRET": "s" * 40,
            "SECOND_FACTOR_KEY": "f" * 40,
        }

    def types(self, *words: str, answer: str | None = None) -> Result:
        """Run `auth-service keys` with these words."""
        return CliRunner().invoke(main, ["keys", *words], env=self.environ, input=answer)

    def keys(self) -> list[dict[str, str]]:
        """The output of `list --json`."""
        listed: list[dict[str, str]] = json.loads(self.types("list", "--json").stdout)
        return listed

    def states(self) -> list[str]:
        """The state of each key."""
        return [key["state"] for key in self.keys()]


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    """An operator outside `local`."""
    return Operator(tmp_path / "keys", "staging")


def test_init_creates_one_key_on_a_laptop(tmp_path: Path) -> None:
    """The demo's JWKS has one key until the first rotation."""
    newcomer = Operator(tmp_path / "keys", "local")

    assert newcomer.types("init").exit_code == 0
    assert newcomer.states() == ["active"]


def test_init_creates_a_spare_elsewhere_and_can_be_repeated(operator: Operator) -> None:
    """A second init changes nothing."""
    first, second = operator.types("init"), operator.types("init")

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert operator.states() == ["active", "upcoming"]
    assert [line.split()[0] for line in first.stdout.splitlines()] == [
        line.split()[0] for line in second.stdout.splitlines()
    ]


def test_list_is_a_table_with_the_next_change_of_each_key(operator: Operator) -> None:
    """Which key signs, which waits, and when that changes."""
    operator.types("init")
    operator.types("rotate")

    lines = operator.types("list").stdout.splitlines()

    assert lines[0].split() == ["KID", "STATE", "SINCE", "NEXT"]
    assert "active" in lines[1]
    assert "stops signing" in lines[1]
    assert "signs from" in lines[2]
    assert "(spare)" in lines[3]


def test_rotate_explains_its_lead(operator: Operator) -> None:
    """The operator reads why the new key does not sign yet."""
    operator.types("init")

    printed = operator.types("rotate").stdout

    assert "12 min before it signs" in printed
    assert operator.states() == ["active", "upcoming", "upcoming"]


def test_a_shortened_lead_comes_with_a_warning(operator: Operator) -> None:
    """Good for a drill, bad for users."""
    operator.types("init")

    printed = operator.types("rotate", "--lead-seconds", "0").stdout

    assert "was shortened" in printed


def test_revoke_asks_before_it_logs_users_out(operator: Operator) -> None:
    """A mistyped command changes nothing."""
    operator.types("init")

    refused = operator.types("revoke", "active", answer="n\n")

    assert refused.exit_code == 1
    assert operator.states() == ["active", "upcoming"]


def test_revoke_accepts_the_first_characters_of_a_kid(operator: Operator) -> None:
    """In an emergency 43 characters are too many to type."""
    operator.types("init")
    kid = operator.keys()[0]["kid"]

    done = operator.types("revoke", kid[:10], "--yes")

    assert done.exit_code == 0
    assert kid in done.stdout
    assert "signs until another key takes over" in done.stdout.splitlines()[3]
    assert operator.states() == ["revoked", "active", "upcoming"]


@pytest.mark.parametrize("characters", ["-h9xQ3vR", "--yX_k2W"])
def test_a_kid_that_starts_with_a_hyphen_is_no_option(operator: Operator, characters: str) -> None:
    """Base64url has hyphens, so one kid in 64 starts with one."""
    operator.types("init")

    refused = operator.types("revoke", characters, "--yes")

    assert refused.exit_code == 1
    assert f"keys start with '{characters}'" in refused.stderr


def test_a_spare_can_be_added_to_a_laptop_start(tmp_path: Path) -> None:
    """To rehearse an emergency on a laptop."""
    newcomer = Operator(tmp_path / "keys", "local")
    newcomer.types("init")

    assert newcomer.types("spare").exit_code == 0
    assert newcomer.types("spare").exit_code == 0
    assert newcomer.states() == ["active", "upcoming"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("list",), "keys init"),
        (("rotate",), "keys init"),
        (("revoke", "active", "--yes"), "keys init"),
    ],
)
def test_a_command_without_keys_says_how_to_create_them(
    operator: Operator, words: tuple[str, ...], sentence: str
) -> None:
    """Exit code 1 and one sentence, without a traceback."""
    result = operator.types(*words)

    assert result.exit_code == 1
    assert sentence in result.stderr


def test_keys_of_a_laptop_are_refused_elsewhere(tmp_path: Path) -> None:
    """A directory copied into production must not sign there."""
    Operator(tmp_path / "keys", "local").types("init")

    result = Operator(tmp_path / "keys", "production").types("init")

    assert result.exit_code == 1
    assert "ENVIRONMENT=local" in result.stderr
