"""What `.env` and the shell decide, and how a wrong value is refused."""

import os
import re
import stat
from collections import Counter
from pathlib import Path

import pytest

from dev.config.dotenv import read
from dev.config.settings import ROOT, load, load_defaults
from dev.errors import BadSetting
from e2e.system import clean_environment


def test_without_env_file_the_demo_runs_on_the_sandbox(root: Path) -> None:
    """A newcomer who has set nothing gets the demo's ports and the sandbox."""
    settings = load({}, root=root)

    assert (settings.ports.gateway, settings.ports.sandbox) == (8000, 12111)
    assert settings.public_url == "http://localhost:8000"
    assert settings.sandbox_url == "http://localhost:12111"
    assert settings.state_dir == root / ".state"
    assert settings.keys_dir == root / "keys"


def test_the_shell_wins_over_the_env_file(root: Path) -> None:
    """A variable set for one command holds for that command."""
    (root / ".env").write_text("LOG_LEVEL=DEBUG\nAPP_NAME='Of the file'\n")

    settings = load({"LOG_LEVEL": "WARNING"}, root=root)

    assert settings.values["LOG_LEVEL"] == "WARNING"
    assert settings.values["APP_NAME"] == "Of the file"


def test_addresses_follow_a_moved_port(root: Path) -> None:
    """Moving the gateway moves the links and the issuer with it."""
    settings = load({"GATEWAY_PORT": "9000", "SANDBOX_PORT": "9001"}, root=root)

    assert settings.public_url == "http://localhost:9000"
    assert settings.sandbox_url == "http://localhost:9001"


def test_an_address_elsewhere_is_left_alone(root: Path) -> None:
    """Behind a tunnel the public address has nothing to do with our port."""
    settings = load({"PUBLIC_URL": "https://billing.example/"}, root=root)

    assert settings.public_url == "https://billing.example"


def test_a_real_key_without_api_base_means_real_stripe(root: Path) -> None:
    """With a test key and an empty address no sandbox is started."""
    settings = load({"STRIPE_API_SECRET": "sk_test_51Real", "STRIPE_API_BASE": ""}, root=root)

    assert settings.sandbox_url is None


def test_two_systems_side_by_side_share_nothing(root: Path) -> None:
    """Another state directory has its own secrets and signing keys."""
    usual = load({}, root=root)
    other = load({"DEV_STATE_DIR": str(root / "other")}, root=root)

    assert other.keys_dir == root / "other" / "keys"
    assert other.values["POSTGRES_PASSWORD"] != usual.values["POSTGRES_PASSWORD"]


def test_the_state_folder_of_the_env_file_is_the_one_that_is_stopped(root: Path) -> None:
    """`make down` finds what `make up` has started, in a file with a typing error, too."""
    (root / ".env").write_text(f"DEV_STATE_DIR={root / 'other'}\nENVIRONMENT=prod\na slip\n")

    assert load_defaults({}, root=root).state_dir == root / "other"
    assert load_defaults({"DEV_STATE_DIR": "/shell"}, root=root).state_dir == Path("/shell")


def test_another_file_can_take_the_place_of_the_env_file(root: Path) -> None:
    """Tests run on the demo's values, whatever real key a developer keeps in `.env`."""
    (root / ".env").write_text("STRIPE_API_SECRET=sk_test_51Real\nSTRIPE_API_BASE=\n")

    settings = load({"DEV_ENV_FILE": os.devnull}, root=root)

    assert settings.values["STRIPE_API_SECRET"] == "sk_test_sandbox"
    assert settings.sandbox_url is not None


def test_the_tests_know_nothing_of_a_developers_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No test makes objects at real Stripe or rotates a developer's real signing keys."""
    monkeypatch.setenv("STRIPE_API_SECRET", "sk_test_51Real")
    monkeypatch.setenv("STRIPE_API_BASE", "")
    monkeypatch.setenv("KEYS_DIR", "/home/developer/keys")

    settings = load(clean_environment(DEV_STATE_DIR=str(tmp_path)))

    assert settings.values["STRIPE_API_SECRET"] == "sk_test_sandbox"
    assert settings.sandbox_url is not None
    assert settings.keys_dir == tmp_path / "keys"


def test_a_secrets_file_that_was_cut_off_is_replaced(root: Path) -> None:
    """A full disk must not make a system that cannot be stopped."""
    (root / ".state").mkdir()
    (root / ".state" / "secrets.json").write_text('{"POSTGRES_PASS')

    assert load_defaults({}, root=root).values["POSTGRES_PASSWORD"]


def test_generated_secrets_stay_the_same_and_private(root: Path) -> None:
    """The second start must open the first one's database; no other user may read its password."""
    first, second = load({}, root=root), load({}, root=root)
    kept = root / ".state" / "secrets.json"

    assert first.values["DJANGO_SECRET_KEY"] == second.values["DJANGO_SECRET_KEY"]
    assert len(first.values["DJANGO_SECRET_KEY"]) >= 50
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_secret_of_ones_own_is_used(root: Path) -> None:
    """A secret in `.env` is not replaced by a generated one."""
    (root / ".env").write_text("AUTH_INTERNAL_CLIENT_SECRET=chosen-by-hand")

    assert load({}, root=root).values["AUTH_INTERNAL_CLIENT_SECRET"] == "chosen-by-hand"


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("GATEWAY_PORT", "eighty", "GATEWAY_PORT is 'eighty'"),
        ("GATEWAY_PORT", "70000", "between 1 and 65535"),
        ("AUTH_PORT", "8000", "GATEWAY_PORT"),
        ("ENVIRONMENT", "prod", "local, staging or production"),
        ("PUBLIC_URL", "localhost:8000", "PUBLIC_URL"),
        ("STRIPE_API_BASE", "stripe-sandbox:12111", "STRIPE_API_BASE"),
        ("STRIPE_API_BASE", "", "STRIPE_API_SECRET is still the sandbox's demo key"),
        ("STRIPE_API_SECRET", "pk_test_wrong_kind", "STRIPE_API_SECRET"),
        ("STRIPE_API_SECRET", "sk_live_51Real", "STRIPE_API_BASE must be empty"),
        ("ACCESS_TOKEN_LIFETIME_SECONDS", "5m", "whole number above 0"),
        ("AUTH_WORKERS", "0", "AUTH_WORKERS"),
    ],
)
def test_a_wrong_value_is_named_in_one_sentence(
    root: Path, name: str, value: str, named: str
) -> None:
    """The sentence names the variable."""
    with pytest.raises(BadSetting) as refusal:
        load({name: value}, root=root)

    assert named in str(refusal.value)
    assert str(refusal.value).count(". ") == 0


@pytest.mark.parametrize(
    ("line", "hint"),
    [("AUTH_WORKRES=4", "did you mean AUTH_WORKERS?"), ("COLOUR=red", "`.env.sample` lists")],
)
def test_a_misspelt_variable_is_named(root: Path, line: str, hint: str) -> None:
    """A setting that nothing reads is a typing error, not a setting."""
    (root / ".env").write_text(f"LOG_LEVEL=DEBUG\n{line}\n")

    with pytest.raises(BadSetting) as refusal:
        load({}, root=root)

    assert line.partition("=")[0] in str(refusal.value)
    assert hint in str(refusal.value)


def test_variables_of_compose_and_of_the_machine_may_stand_in_the_file(root: Path) -> None:
    """Compose reads the same file, and proxies belong to the machine."""
    (root / ".env").write_text(
        "COMPOSE_PROJECT_NAME=mine\nHTTPS_PROXY=http://proxy:3128\nTHROTTLE_PAIR_FAILURES=3\n"
    )

    assert load({}, root=root).values["THROTTLE_PAIR_FAILURES"] == "3"


def test_a_live_key_is_not_repeated(root: Path) -> None:
    """The refusal of a key must not put the key on the screen."""
    with pytest.raises(BadSetting) as refusal:
        load({"STRIPE_API_SECRET": "live_51VerySecret"}, root=root)

    assert "51VerySecret" not in str(refusal.value)


def test_the_env_format_is_the_one_of_compose(tmp_path: Path) -> None:
    """Quotes, comments and `export` mean the same to both readers of the file."""
    file = tmp_path / ".env"
    file.write_text(
        "# a comment\n\nPLAIN=value # with a comment\nexport EXPORTED=1\n"
        "QUOTED=\"two words # kept\"  # comment\nSINGLE='$kept'\nEMPTY=\nHASH=a#b\n"
    )

    assert read(file) == {
        "PLAIN": "value",
        "EXPORTED": "1",
        "QUOTED": "two words # kept",
        "SINGLE": "$kept",
        "EMPTY": "",
        "HASH": "a#b",
    }


@pytest.mark.parametrize(
    "line",
    [
        "NAME=      # Compose takes this for the value",
        "NAME=pa$word",
        'NAME="pa$word"',
        'NAME="C:\\new"',
        'NAME="never closed',
        "NAME='one' and more",
    ],
)
def test_what_compose_reads_otherwise_is_refused(tmp_path: Path, line: str) -> None:
    """One file does not mean two things: the refusal says how to write the value."""
    file = tmp_path / ".env"
    file.write_text(f"FINE=1\n{line}\n")

    with pytest.raises(BadSetting, match=r"^Compose would read \.env line 2 differently"):
        read(file)


def test_a_line_that_is_no_assignment_is_named(tmp_path: Path) -> None:
    """A slip in the file is found by its line number."""
    file = tmp_path / ".env"
    file.write_text("FINE=1\nthis is not one\n")

    with pytest.raises(BadSetting, match=r"^\.env line 2 is not NAME=value\.$"):
        read(file)


def test_the_sample_file_can_be_used_as_it_is() -> None:
    """`cp .env.sample .env` changes nothing about the demo."""
    sample = read(ROOT / ".env.sample")

    assert sample["STRIPE_API_BASE"] == "http://stripe-sandbox:12111"
    assert sample["ENVIRONMENT"] == "local"


def test_no_variable_stands_twice_in_the_sample_file() -> None:
    """The later of two lines would win, and an edit of the first would have no effect."""
    lines = (ROOT / ".env.sample").read_text().splitlines()
    names = Counter(re.findall(r"^#?([A-Z][A-Z_]*)=", "\n".join(lines), flags=re.MULTILINE))

    assert [name for name, times in names.items() if times > 1] == []
    assert len(names) > 40
