"""Starting the sandbox: seeds, deterministic ids, data that stays, wrong settings."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from stripe_sandbox.cli import main
from stripe_sandbox.clock import Clock
from stripe_sandbox.storage.store import Store
from tests.receiver import Receiver
from tests.scenes import BASIC, DAY, NEW_YEAR
from tests.server import Server, wait_until

FEBRUARY = NEW_YEAR + 31 * DAY


def life(server: Server, *, reads: int = 0) -> list[str]:
    """Ids of what one fixed series of requests makes; how often it reads changes none of them."""
    v1 = server.client().v1
    for _ in range(reads):
        v1.products.list()
    customer = v1.customers.create({"payment_method": "pm_card_visa"})
    subscription = v1.subscriptions.create(
        {
            "customer": customer.id,
            "items": [{"price": "price_sandbox_pro"}],
            "default_payment_method": v1.payment_methods.list({"customer": customer.id}).data[0].id,
        }
    )
    return [customer.id, subscription.id, str(subscription.latest_invoice)]


def test_equal_requests_get_equal_ids(tmp_path: Path) -> None:
    """`--deterministic` and `--clock` make runs alike; a restart hands out no id twice."""
    alike = ("--deterministic", "--clock", "1767225600")
    data = ("--data", str(tmp_path / "sandbox.sqlite3"))
    with Server(*alike, *data) as one:
        first = life(one)
        created = one.client().v1.customers.retrieve(first[0]).created
    with Server(*alike, *data) as restarted:
        later = life(restarted)
    with Server(*alike) as two:
        same = life(two, reads=3)

    assert created == 1767225600
    assert first == same
    assert not set(first) & set(later)


def test_ids_are_random_otherwise(server: Server) -> None:
    """Without `--deterministic` the same requests get other ids."""
    assert not set(life(server)) & set(life(server))


def test_the_seed_file_brings_prices_and_a_receiver() -> None:
    """The demo's prices are there under their ids, and its webhook is signed."""
    with Receiver() as receiver:
        receiver.secret = "whsec_first"
        secrets = "whsec_first,whsec_second"
        with Server(SANDBOX_WEBHOOK_URL=receiver.url, STRIPE_WEBHOOK_SECRET=secrets) as server:
            v1 = server.client().v1
            keys = ["basic_subscription", "pro_subscription"]
            listed = v1.prices.list({"lookup_keys": keys})
            customer = v1.customers.create({})
            received = receiver.wait_for(
                lambda got: "customer.created" in {one.event.type for one in got}
            )
    amounts = {price.id: price.unit_amount for price in listed.data}
    assert amounts == {"price_sandbox_basic": 1000, "price_sandbox_pro": 2500}
    made = next(one.event for one in received if one.event.type == "customer.created")
    assert made.data.object.id == customer.id


def refused(*arguments: str, **environment: str) -> tuple[int, str]:
    """Exit code and message of a start that must fail."""
    done = CliRunner(env=environment).invoke(main, arguments)
    return done.exit_code, done.stderr


def test_a_wrong_seed_file_is_said_in_one_sentence(tmp_path: Path) -> None:
    """A file that is missing or no JSON stops the start with exit code 2."""
    broken = tmp_path / "seed.json"
    broken.write_text("{")

    for path in (str(tmp_path / "none.json"), str(broken)):
        code, message = refused("serve", "--port", "1", "--seed-file", path)
        assert code == 2
        assert message.startswith("stripe-sandbox: seed file ")
        assert message.count("\n") == 1


def test_a_wrong_setting_is_said_in_one_sentence(tmp_path: Path) -> None:
    """Data that cannot be opened, an unknown log level, a speed of nothing: each is named."""
    text = tmp_path / "text.sqlite3"
    text.write_text("no database, and long enough to be taken for one")
    starts = {
        "--data": refused("serve", "--port", "1", "--data", str(tmp_path / "none" / "file")),
        f"--data {text}": refused("serve", "--port", "1", "--data", str(text)),
        "LOG_LEVEL": refused("serve", "--port", "1", LOG_LEVEL="loud"),
        "--retry-speed": refused("serve", "--port", "1", "--retry-speed", "0"),
    }

    for name, (code, message) in starts.items():
        assert code == 2
        assert message.startswith(f"stripe-sandbox: {name}")
        assert message.count("\n") == 1


def test_a_seed_that_stripe_would_refuse_is_named(tmp_path: Path) -> None:
    """A price without an amount is no price."""
    seed: dict[str, Any] = {
        "products": [{"id": "prod_1", "name": "One"}],
        "prices": [{"id": "price_1", "product": "prod_1", "currency": "usd"}],
    }
    path = tmp_path / "seed.json"
    path.write_text(json.dumps(seed))

    code, message = refused("serve", "--port", "1", "--seed-file", str(path))

    assert code == 2
    assert "unit_amount" in message


def test_what_was_made_is_there_after_a_kill(tmp_path: Path) -> None:
    """Kill -9 loses no object, no key, no renewal of a clock on its way; seeds stay changed."""
    data = str(tmp_path / "sandbox.sqlite3")
    server = Server("--data", data).start()
    v1 = server.client().v1
    key = {"idempotency_key": "survives"}
    made = v1.customers.create({"name": "Ada"}, key)
    v1.prices.update("price_sandbox_basic", {"nickname": "Mine"})
    clock = v1.test_helpers.test_clocks.create({"frozen_time": NEW_YEAR})
    for _ in range(12):
        live_on(v1, clock.id)
    v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": NEW_YEAR + 58 * DAY})
    server.stop(kill=True)

    with Server("--data", data) as again:
        v1 = again.client().v1
        assert v1.customers.retrieve(made.id).name == "Ada"
        assert v1.customers.create({"name": "Ada"}, key).id == made.id
        assert v1.prices.retrieve("price_sandbox_basic").nickname == "Mine"
        assert len(v1.prices.list().data) == 2
        wait_until(lambda: v1.test_helpers.test_clocks.retrieve(clock.id).status == "ready")
        renewed = v1.subscriptions.list({"test_clock": clock.id, "limit": 100}).data
        assert {one["items"].data[0].current_period_start for one in renewed} == {FEBRUARY}
        assert len(v1.invoices.list({"status": "paid", "limit": 100}).data) == 12 * 2
        assert v1.test_helpers.test_clocks.retrieve(clock.id).frozen_time == NEW_YEAR + 58 * DAY


def live_on(v1: Any, clock: str) -> None:
    """Have a customer with a monthly subscription live on a test clock."""
    card = "pm_card_visa"
    customer = v1.customers.create(
        {
            "test_clock": clock,
            "payment_method": card,
            "invoice_settings": {"default_payment_method": card},
        }
    )
    v1.subscriptions.create({"customer": customer.id, "items": [{"price": BASIC}]})


def test_each_data_file_is_an_account_of_its_own(tmp_path: Path) -> None:
    """A restart keeps the account; another file is another one, as another key's would be."""

    def account(name: str) -> str:
        store = Store(tmp_path / name, clock=Clock())
        store.close()
        return store.account_id

    first, again, other = (account(name) for name in ("one", "one", "two"))

    assert first == again != other
    assert first.startswith("acct_")
