"""Which API versions are served, and which parameters of theirs are understood."""

from typing import Any

import httpx
import pytest

from stripe_sandbox.sdk.source import api_version
from tests import plain_http
from tests.scenes import BASIC, Scene
from tests.server import Server


def post(server: Server, path: str, sent: dict[str, str], version: str | None) -> httpx.Response:
    """A request as an SDK of some version sends it."""
    headers = {"Authorization": "Bearer sk_test_x"}
    headers |= {"Stripe-Version": version} if version else {}
    return plain_http.post(f"{server.url}{path}", data=sent, headers=headers)


@pytest.mark.parametrize(
    "version",
    [
        "2025-03-31.basil",
        "2025-09-30.clover",
        "2026-03-25.dahlia",
        "2026-09-30.preview",
        "2025-12-15.clover; feature_beta=v3",
        "2027-01-27.next",
        None,
    ],
)
def test_versions_of_current_sdks_are_served(server: Server, version: str | None) -> None:
    """The answer has the pinned version's shape, and says so."""
    answer = post(server, "/v1/customers", {"name": "Grace"}, version)

    assert answer.status_code == 200
    assert answer.headers["Stripe-Version"] == api_version()


@pytest.mark.parametrize("version", ["2020-08-27", "2025-02-24.acacia", "yesterday"])
def test_older_versions_are_refused_by_name(server: Server, version: str) -> None:
    """Their objects have another shape, which would be answered wrongly."""
    answer = post(server, "/v1/customers", {}, version)

    assert answer.status_code == 400
    assert version in answer.json()["error"]["message"]


OLDER_FORMS: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    (
        "/v1/payment_intents",
        {"amount": "100", "currency": "usd", "payment_method_types[]": "card"},
        {"payment_method_types": ["card"]},
    ),
    (
        "/v1/checkout/sessions",
        {"mode": "setup", "currency": "usd", "ui_mode": "hosted", "success_url": "https://a.test"},
        {"ui_mode": "hosted_page"},
    ),
    ("/v1/promotion_codes", {"coupon": "OLDER_FORM"}, {"active": True}),
]


@pytest.mark.parametrize(("path", "sent", "expected"), OLDER_FORMS)
def test_an_older_version_may_use_its_own_parameters(
    server: Server, client: Any, path: str, sent: dict[str, str], expected: dict[str, Any]
) -> None:
    """What was renamed or dropped since is understood, but only from older versions."""
    if "coupon" in sent:
        sent = {"coupon": client.v1.coupons.create({"percent_off": 10}).id}

    older = post(server, path, sent, "2025-03-31.basil")
    pinned = post(server, path, sent, api_version())

    assert older.status_code == 200, older.text
    assert {name: older.json()[name] for name in expected} == expected
    assert pinned.status_code == 400


def test_an_anchor_may_be_the_word_it_used_to_be(server: Server, scene: Scene) -> None:
    """`billing_cycle_anchor` became an object; older SDKs send `now` or `unchanged`."""
    subscription = scene.subscription(scene.customer())
    path, sent = f"/v1/subscriptions/{subscription.id}", {"billing_cycle_anchor": "now"}

    older = post(server, path, sent, "2026-03-25.dahlia")
    pinned = post(server, path, sent, api_version())

    assert older.status_code == 200
    assert older.json()["items"]["data"][0]["price"]["id"] == BASIC
    assert pinned.status_code == 400
    assert pinned.json()["error"]["param"] == "billing_cycle_anchor"


def test_payment_methods_other_than_cards_are_refused_by_name(server: Server) -> None:
    """A list of types that names another one would have no effect."""
    sent = {"amount": "100", "currency": "usd", "payment_method_types[]": "sepa_debit"}

    answer = post(server, "/v1/payment_intents", sent, "2025-03-31.basil")

    assert answer.status_code == 501
    assert answer.json()["error"]["param"] == "payment_method_types"


def test_an_account_of_someone_else_is_refused_by_name(server: Server) -> None:
    """There are no connected accounts, so `Stripe-Account` is not passed over in silence."""
    headers = {"Authorization": "Bearer sk_test_x", "Stripe-Account": "acct_1Other"}

    answer = plain_http.get(f"{server.url}/v1/customers", headers=headers)

    assert answer.status_code == 501
    assert "Stripe-Account" in answer.json()["error"]["message"]


def test_the_key_s_own_account_may_be_named(server: Server) -> None:
    """dj-stripe names the account of its key in each call."""
    headers = {"Authorization": "Bearer sk_test_x"}
    own = plain_http.get(f"{server.url}/v1/account", headers=headers).json()["id"]

    answer = plain_http.get(
        f"{server.url}/v1/customers", headers={**headers, "Stripe-Account": own}
    )

    assert answer.status_code == 200


def test_an_older_version_has_no_newer_fields(server: Server, client: Any) -> None:
    """`refund.customer` came in 2026-07-29; without a version, an answer has what all have."""
    payment = client.v1.payment_intents.create(
        {
            "amount": 100,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "return_url": "https://example.com",
        }
    )
    refund = client.v1.refunds.create({"payment_intent": payment.id})
    url = f"{server.url}/v1/refunds/{refund.id}"

    answers = {
        version: plain_http.get(
            url,
            headers={"Authorization": "Bearer sk_test_x"}
            | ({"Stripe-Version": version} if version else {}),
        ).json()
        for version in ("2026-06-24.dahlia", "2026-07-29.dahlia", api_version(), "")
    }

    assert [("customer" in answer) for answer in answers.values()] == [False, True, True, False]
