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


PEOPLE = (("Adamina", "red", "1"), ("Bobbin", "blue", "2"), ("Cleo", "red", "3"))


@pytest.fixture
def people(scene: Scene) -> None:
    """Three customers in two teams, made once, with names of their own."""
    if not scene.v1.customers.list({"email": "search@example.com"}).data:
        for name, team, rank in PEOPLE:
            metadata = {"team": team, "rank": rank}
            scene.customer(None, name=name, metadata=metadata, email="search@example.com")


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("metadata['team']:'red' AND metadata['rank']:'1'", ["Adamina"]),
        ("metadata['team']:'red' metadata['rank']:'1'", ["Adamina"]),
        ("metadata['team']:'red'", ["Cleo", "Adamina"]),
        ("metadata['team']:'RED'", ["Cleo", "Adamina"]),
        ("name:'Adamina' OR name:'Bobbin'", ["Bobbin", "Adamina"]),
        ("name:'Adamina' OR metadata['team']:'red'", ["Cleo", "Adamina"]),
        ("-metadata['team']:'red' AND metadata['rank']:'2'", ["Bobbin"]),
        ("email:'search@example.com' AND metadata['city']:null AND name~'bob'", ["Bobbin"]),
        ("email:'search@example.com' AND -name:null", ["Cleo", "Bobbin", "Adamina"]),
        ("email~'arch@exam' AND phone:null", ["Cleo", "Bobbin", "Adamina"]),
        (
            "email:'search@example.com' AND created>0 AND created<4102444800",
            ["Cleo", "Bobbin", "Adamina"],
        ),
        ("email:'search@example.com' AND created<1000", []),
        ("name~'cle'", ["Cleo"]),
        ("name~'c%e'", []),
    ],
)
def test_search(scene: Scene, query: str, found: list[str]) -> None:
    """AND, OR, negation, part of a text, no value, numbers, metadata; case does not matter."""
    result = scene.v1.customers.search({"query": query})

    assert [customer.name for customer in result.data] == found


def test_a_search_follows_what_changes(scene: Scene) -> None:
    """A new name is found, the old one and a deleted customer no longer."""
    customer = scene.customer(None, name="Maiden Name", metadata={"follows": "yes"})
    scene.v1.customers.update(customer.id, {"name": "Married Name", "metadata": {"follows": ""}})

    def found(query: str) -> list[str]:
        return [one.id for one in scene.v1.customers.search({"query": query}).data]

    assert found("name~'married'") == found("name:'married name'") == [customer.id]
    assert found("name~'maiden'") == found("metadata['follows']:'yes'") == []
    scene.v1.customers.delete(customer.id)
    assert found("name~'married'") == found("name:'Married Name'") == []


def test_numbers_are_compared_as_numbers(scene: Scene) -> None:
    """90 is less than 1000, and than 500."""
    customer = scene.customer(None)
    for amount in (90, 1000):
        values = {"amount": amount, "currency": "usd", "customer": customer.id}
        scene.v1.payment_intents.create(values)

    query = f"customer:'{customer.id}' AND amount<500"
    assert [p.amount for p in scene.v1.payment_intents.search({"query": query}).data] == [90]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("status is active", "parse your search query"),
        ("name:'a' AND", "parse your search query"),
        ("shoe_size:'44'", "`shoe_size` is an unsupported search field for resource `customers`"),
        ("email['a']:'b'", "`email` is an unsupported search field"),
        ("email>'5'", "`email` is not numeric"),
        ("created:'today'", "`created` is numeric"),
        ("name~'ab'", "at least 3 characters"),
        ("name:'a' AND name:'b' OR name:'c'", "AND and OR"),
        (" ".join(["name:'a'"] * 11), "at most 10 clauses"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(scene: Scene, query: str, sentence: str) -> None:
    """A search that cannot be read is the caller's mistake, and the answer says which."""
    with pytest.raises(stripe.InvalidRequestError, match=sentence):
        scene.v1.customers.search({"query": query})


def test_search_pages(scene: Scene) -> None:
    """`page` goes on where the last page ended."""
    for _ in range(3):
        scene.v1.products.create({"name": "Paged"})

    found = scene.v1.products.search({"query": "name:'Paged'", "limit": 2})
    rest = scene.v1.products.search({"query": "name:'Paged'", "limit": 2, "page": found.next_page})

    assert (len(found.data), found.has_more, len(rest.data), rest.has_more) == (2, True, 1, False)
    with pytest.raises(stripe.InvalidRequestError, match="`page` parameter"):
        scene.v1.products.search({"query": "name:'Paged'", "page": "2"})


def test_customers_on_a_test_clock_are_found_by_it(scene: Scene) -> None:
    """`test_clock` filters customers and subscriptions; without it they are not listed."""
    customer = scene.on_a_clock().customer()
    subscription = scene.subscription(customer, BASIC)

    clock = scene.clock.id
    assert [c.id for c in scene.v1.customers.list({"test_clock": clock}).data] == [customer.id]
    listed = scene.v1.subscriptions.list({"test_clock": clock})
    assert [s.id for s in listed.data] == [subscription.id]
    everyone = scene.v1.customers.list({"limit": 100}).auto_paging_iter()
    assert customer.id not in {one.id for one in everyone}
