"""Lists page by cursors, search understands its language, expand goes deep."""

import pytest
import stripe

from tests.scenes import BASIC, Scene


def test_pages_follow_each_other(scene: Scene) -> None:
    """Forward and backward, newest first, without gap or repetition."""
    customer = scene.customer(None)
    made = [
        scene.v1.setup_intents.create({"customer": customer.id, "metadata": {"n": str(n)}}).id
        for n in range(7)
    ][::-1]
    page = {"customer": customer.id, "limit": 3}
    intents = scene.v1.setup_intents

    first = intents.list({"customer": customer.id, "limit": 3})
    second = intents.list({"customer": customer.id, "limit": 3, "starting_after": made[2]})
    back = intents.list({"customer": customer.id, "limit": 3, "ending_before": made[5]})

    assert [one.id for one in first.data] == made[:3]
    assert [one.id for one in second.data] == made[3:6]
    assert [one.id for one in back.data] == made[2:5]
    assert (first.has_more, back.has_more) == (True, True)
    assert [one.id for one in intents.list(page).auto_paging_iter()] == made


def test_a_list_can_be_bounded_in_time(scene: Scene) -> None:
    """`created` takes bounds and exact values."""
    customer = scene.customer(email="bounded@example.com")
    customers = scene.v1.customers
    email = "bounded@example.com"

    assert customers.list({"email": email, "created": {"gte": customer.created}}).data
    assert customers.list({"email": email, "created": customer.created}).data
    assert not customers.list({"email": email, "created": {"gt": customer.created}}).data


@pytest.mark.parametrize("limit", [0, 101])
def test_a_page_has_between_one_and_a_hundred_entries(scene: Scene, limit: int) -> None:
    """Other limits are refused."""
    with pytest.raises(stripe.InvalidRequestError) as refused:
        scene.v1.customers.list({"limit": limit})

    assert refused.value.param == "limit"


def test_a_cursor_must_exist(scene: Scene) -> None:
    """A cursor that names nothing is refused."""
    with pytest.raises(stripe.InvalidRequestError) as refused:
        scene.v1.customers.list({"starting_after": "cus_none"})

    assert refused.value.code == "resource_missing"


def test_expand_goes_four_levels_deep(scene: Scene) -> None:
    """What billing needs of a new subscription comes in one call."""
    customer = scene.customer("pm_card_authenticationRequired")

    subscription = scene.subscription(
        customer,
        expand=[
            "customer.invoice_settings.default_payment_method",
            "latest_invoice.confirmation_secret",
            "latest_invoice.payments.data.payment.payment_intent",
            "pending_setup_intent",
        ],
    )
    listed = scene.v1.subscriptions.list(
        {"customer": customer.id, "expand": ["data.latest_invoice", "data.customer"]}
    )

    invoice = subscription.latest_invoice
    intent = invoice.payments.data[0].payment.payment_intent
    assert intent.next_action.use_stripe_sdk["stripe_js"].startswith("http://")
    assert invoice.confirmation_secret.client_secret == intent.client_secret
    assert subscription.customer.invoice_settings.default_payment_method.card.last4 == "3184"
    assert listed.data[0].customer.id == customer.id
    assert listed.data[0].latest_invoice.id == invoice.id


def test_what_is_not_expanded_is_not_there(scene: Scene) -> None:
    """Includable fields are missing, not null, until they are asked for."""
    invoice = scene.v1.invoices.retrieve(scene.subscription(scene.customer()).latest_invoice.id)

    assert "payments" not in invoice
    assert "confirmation_secret" not in invoice


def test_five_levels_are_too_many(scene: Scene) -> None:
    """Stripe expands four levels at most."""
    deep = "latest_invoice.payments.data.payment.payment_intent.customer"

    with pytest.raises(stripe.InvalidRequestError, match="more than 4 levels"):
        scene.subscription(scene.customer(), expand=[deep])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("metadata['team']:'red' AND metadata['rank']:'1'", ["Ada"]),
        ("metadata['team']:'red'", ["Cleo", "Ada"]),
        ("name:'Ada' OR name:'Bob'", ["Bob", "Ada"]),
        ("-metadata['team']:'red' AND metadata['rank']:'2'", ["Bob"]),
        ("name~'cle'", ["Cleo"]),
    ],
)
def test_search(scene: Scene, query: str, found: list[str]) -> None:
    """AND, OR, negation, part of a text, metadata."""
    known = scene.v1.customers.list({"email": "search@example.com"}).data
    if not known:
        for name, team, rank in (("Ada", "red", "1"), ("Bob", "blue", "2"), ("Cleo", "red", "3")):
            metadata = {"team": team, "rank": rank}
            scene.customer(None, name=name, metadata=metadata, email="search@example.com")

    result = scene.v1.customers.search({"query": query})

    assert [customer.name for customer in result.data] == found


def test_a_query_that_makes_no_sense_is_refused(scene: Scene) -> None:
    """A search that cannot be read is the caller's mistake."""
    with pytest.raises(stripe.InvalidRequestError, match="parse your search query"):
        scene.v1.subscriptions.search({"query": "status is active"})


def test_search_pages(scene: Scene) -> None:
    """`page` goes on where the last page ended."""
    for _ in range(3):
        scene.v1.products.create({"name": "Paged"})

    found = scene.v1.products.search({"query": "name:'Paged'", "limit": 2})
    rest = scene.v1.products.search({"query": "name:'Paged'", "limit": 2, "page": found.next_page})

    assert (len(found.data), found.has_more, len(rest.data), rest.has_more) == (2, True, 1, False)


def test_customers_on_a_test_clock_are_found_by_it(scene: Scene) -> None:
    """`test_clock` filters customers and subscriptions; without it they are not listed."""
    customer = scene.on_a_clock().customer()
    subscription = scene.subscription(customer, BASIC)

    clock = scene.clock.id
    assert [c.id for c in scene.v1.customers.list({"test_clock": clock}).data] == [customer.id]
    listed = scene.v1.subscriptions.list({"test_clock": clock})
    assert [s.id for s in listed.data] == [subscription.id]
    everybody = scene.v1.customers.list({"limit": 100}).auto_paging_iter()
    assert customer.id not in {one.id for one in everybody}
