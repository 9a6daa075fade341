"""The laptop commands of the runbooks, run as they are written."""

import re
import subprocess
from collections.abc import Iterator

import pytest

from dev.config.settings import ROOT
from e2e.system import RunningSystem, whole_system
from e2e.waiting import until

SH_BLOCK = re.compile(r"^ *```sh\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
# Commands that change keys get in each other's way: each comes when it can be done. All others
# come first.
KEY_CHANGES = ("keys drill", "keys spare", "keys revoke", "keys rotate")


def commands() -> list[str]:
    """Every line of a `sh` block that begins with `make`, without its comment."""
    found: dict[str, None] = {}
    for page in sorted((ROOT / "docs" / "runbooks").glob("*.md")):
        for block in SH_BLOCK.findall(page.read_text()):
            lines = (line.partition(" #")[0].strip() for line in block.splitlines())
            found |= dict.fromkeys(line for line in lines if line.startswith("make "))
    return sorted(found, key=_turn)


def _turn(command: str) -> int:
    return next((turn for turn, part in enumerate(KEY_CHANGES, 1) if part in command), 0)


@pytest.fixture(scope="module")
def own_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A system whose keys may be changed, with a webhook event and tokens of 20 seconds."""
    state_dir = tmp_path_factory.mktemp("runbooks")
    with whole_system(state_dir, ACCESS_TOKEN_LIFETIME_SECONDS="20") as started:
        assert started.new_person().subscribe().status_code == 200
        yield started


def run(command: str, system: RunningSystem) -> subprocess.CompletedProcess[str]:
    """Run a line as a person at a terminal in the repository does."""
    return subprocess.run(
        ["/bin/bash", "-c", command],
        cwd=ROOT,
        env=dict(system.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def capitals(own_system: RunningSystem, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the words in capitals stand for."""
    # It is delivered a moment after the answer to the subscribe.
    event = until(lambda: own_system.sql("billing", "SELECT id FROM webhooks_webhookevent LIMIT 1"))
    pair = own_system.sql(
        "billing", "SELECT user_id || ',' || stripe_customer_id FROM subscriptions_customer LIMIT 1"
    )
    user, customer = pair.split(",")
    file = tmp_path_factory.mktemp("csv") / "customers.csv"
    file.write_text(f"user,customer\n{user},{customer}\n")
    assert event.startswith("evt_")
    return {
        "EVENT_ID": event,
        "USER_ID": user,
        "CUSTOMER_ID": customer,
        "USERNAME": own_system.people[0].username,
        "CUSTOMERS_FILE": str(file),
    }


@pytest.mark.parametrize("command", commands())
def test_a_command_of_a_runbook_does_what_it_says(
    own_system: RunningSystem, capitals: dict[str, str], command: str
) -> None:
    """Someone on call can copy each line; only what is written in capitals is replaced."""
    for word, meaning in capitals.items():
        command = command.replace(word, meaning)

    done = run(command, own_system)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_doctor_finds_nothing_wrong_and_checks_everything(own_system: RunningSystem) -> None:
    """On a laptop it finds the gateway's program too, so no line is left unchecked."""
    done = run('make auth ARGS="doctor"', own_system)
    lines = done.stdout.splitlines()

    assert any("gateway" in line for line in lines)
    assert [line for line in lines if not line.startswith("ok ")] == []


def test_the_runbooks_have_commands() -> None:
    """The test above must not pass because it finds no line."""
    assert len(commands()) > 10
    assert all(any(part in command for command in commands()) for part in KEY_CHANGES)
