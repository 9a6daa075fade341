"""After everything else: nothing secret is left in logs, databases or on disk."""

import re
from pathlib import Path

import pytest

from e2e.people import PASSWORD
from e2e.system import RunningSystem, log_files

CARDS = ("4242424242424242", "4000000000000002", "4000002500003155", "4539578763621486")
TOKEN = re.compile(r"eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{20,}")
EXPECTED = re.compile(r"OperationalError|AdminShutdown|PoolTimeout|InterfaceError")
CLIENT_SECRET = re.compile(r"(?:pi|seti)_\w+_secret_\w+")


@pytest.fixture(scope="module", autouse=True)
def seeded(running: RunningSystem) -> None:
    """Card numbers, passwords and tokens have been sent in every way that could leave a trace."""
    person = running.new_person()
    for number in CARDS:
        person.subscribe(number, card_cvc=987)
    person.post(
        "/api/subscriptions/subscribe?card_number=4242424242424242", {"card_number": CARDS[0]}
    )
    running.client.post(
        f"{running.url}/api/token/obtain", content=b'{"password": "' + PASSWORD.encode()
    )
    running.client.get(f"{running.url}/api/subscriptions/{CARDS[0]}", headers={"X-Card": CARDS[0]})
    person.post("/api/token/verify", {"token": person.access})


@pytest.fixture(scope="module")
def searched(running: RunningSystem) -> dict[str, str]:
    """Everything that can be searched: logs by process, and both databases."""
    texts = {path.name: path.read_text(errors="replace") for path in log_files(running.settings)}
    texts |= {f"database {name}": running.dump(name) for name in ("auth", "billing")}
    return texts


def holders(texts: dict[str, str], *needles: str) -> list[str]:
    """Where any of the needles stands."""
    return [name for name, text in texts.items() if any(needle in text for needle in needles)]


def test_no_card_number_anywhere(searched: dict[str, str]) -> None:
    """A number that a customer typed is gone as soon as it has been mapped or refused."""
    assert len(searched) > 8
    spellings = [f"{n[:4]} {n[4:8]} {n[8:12]} {n[12:]}" for n in CARDS]

    # Paths are logged as they were requested; only a test puts a card number there.
    without_paths = {name: _without_paths(text) for name, text in searched.items()}

    assert holders(without_paths, *CARDS, *spellings) == []


def test_no_password_anywhere(searched: dict[str, str]) -> None:
    """Neither users' passwords nor the demo administrator's are written down."""
    assert holders(searched, PASSWORD, "qweqweqwE1") == []


def test_no_secret_of_the_system_in_any_log(
    running: RunningSystem, searched: dict[str, str]
) -> None:
    """A log can be shared without giving away a secret."""
    names = (
        "POSTGRES_PASSWORD",
        "AUTH_DATABASE_PASSWORD",
        "BILLING_DATABASE_PASSWORD",
        "AUTH_INTERNAL_CLIENT_SECRET",
        "SECOND_FACTOR_KEY",
        "DJANGO_SECRET_KEY",
        "STRIPE_WEBHOOK_SECRET",
        "STRIPE_API_SECRET",
    )
    secrets = [running.settings.values[name] for name in names]

    assert all(len(secret) > 10 for secret in secrets)
    assert holders(searched, *secrets) == []


def test_no_token_and_no_client_secret_in_any_log(searched: dict[str, str]) -> None:
    """What opens an account or a payment is not written down."""
    found = [
        name for name, text in searched.items() if TOKEN.search(text) or CLIENT_SECRET.search(text)
    ]

    assert found == []


def test_no_private_key_outside_its_folder(
    running: RunningSystem, searched: dict[str, str]
) -> None:
    """Signing keys are in the key folder, which only its owner may open, and nowhere else."""
    assert holders(searched, "PRIVATE KEY") == []
    keys = running.settings.keys_dir
    pem_files = [path for path in keys.rglob("*") if path.is_file()]
    assert pem_files
    assert {_mode(path) for path in pem_files} == {0o600}
    assert _mode(keys) == 0o700


def test_no_traceback_in_any_log(searched: dict[str, str]) -> None:
    """Apart from PostgreSQL's restarts, nothing in the tests caused an unexpected exception."""
    surprises = [
        (name, line[-300:])
        for name, text in searched.items()
        for line in text.splitlines()
        if name.endswith(".log") and "Traceback (most" in line and not EXPECTED.search(line)
    ]

    assert surprises == []


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def _without_paths(text: str) -> str:
    return re.sub(r"/api/subscriptions/\d+", "", text)
