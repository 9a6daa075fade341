"""Linking a customer that exists at Stripe to a user: `manage.py stripe_link` and the admin."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from subscriptions.models import Customer, CustomerLink, PaymentMethod, SubscribeAttempt
from tests.auth_stand_in import AuthStandIn
from tests.sandbox import Sandbox
from tests.subscriptions.person import Person
from users.feed import apply_user_changes
from users.models import User

OUR_KEY = "billing_service_user_id"
PAGE = "/admin/subscriptions/customer/link/"
Run = tuple[int, str, str]


def run(*arguments: str) -> Run:
    """Run the command; return its exit code, what it printed, and what it said beside that."""
    out, err, code = StringIO(), StringIO(), 0
    try:
        call_command("stripe_link", *arguments, stdout=out, stderr=err)
    except CommandError as refusal:
        code = refusal.returncode
        err.write(str(refusal))
    return code, out.getvalue(), err.getvalue()


def paying_customer(stripe: Sandbox, price: str = "price_sandbox_basic") -> dict[str, Any]:
    """Make a customer with a subscription, as another system did before we were there."""
    customer = stripe.post(
        "/v1/customers",
        **{
            "name": "From before",
            "payment_method": "pm_card_visa",
            "invoice_settings[default_payment_method]": "pm_card_visa",
            "metadata[crm]": "4711",
        },
    )
    stripe.post("/v1/subscriptions", customer=customer["id"], **{"items[0][price]": price})
    return customer


def other_price(stripe: Sandbox) -> str:
    """Make a price that is not in our catalogue."""
    product = stripe.post("/v1/products", name="Of another shop")
    price = stripe.post(
        "/v1/prices",
        product=product["id"],
        currency="usd",
        unit_amount=500,
        **{"recurring[interval]": "month"},
    )
    return str(price["id"])


@pytest.fixture
def new_person(stripe: Sandbox, auth_service: AuthStandIn) -> Callable[[str], Person]:
    """Make users of auth-service's who have never subscribed here."""

    def make(username: str) -> Person:
        user_id = auth_service.add_user(username)
        apply_user_changes()
        return Person(stripe, user_id=user_id)

    return make


@pytest.fixture
def person(new_person: Callable[[str], Person]) -> Person:
    """One of them."""
    return new_person("ada")


def metadata_of(stripe: Sandbox, customer: str) -> dict[str, Any]:
    """Return what stands at a customer."""
    found: dict[str, Any] = stripe.get(f"/v1/customers/{customer}")["metadata"]
    return found


def test_a_user_has_the_subscription_of_a_linked_customer_at_once(
    person: Person, stripe: Sandbox
) -> None:
    """The status is right, no second subscription is sold, and what others wrote stays."""
    customer = paying_customer(stripe)

    code, said, _ = run("ada", customer["id"])

    assert code == 0
    assert f"{customer['id']} becomes the customer of ada." in said
    assert person.words() == ("successful", "active")
    assert person.subscribe().json()["code"] == "already_subscribed"
    assert PaymentMethod.objects.get().is_default
    assert metadata_of(stripe, customer["id"]) == {"crm": "4711", OUR_KEY: str(person.id)}
    assert CustomerLink.objects.get().linked_by is None


def test_a_bare_customer_gives_way_to_the_paying_one(person: Person, stripe: Sandbox) -> None:
    """It stays at Stripe without a user, and is neither adopted again nor reported as lost."""
    assert person.post("setup-intent").status_code == 200
    bare = str(Customer.objects.get().stripe_customer_id)
    customer = paying_customer(stripe)

    code, said, _ = run(str(person.id), customer["id"])

    assert code == 0
    assert f"{bare}, the customer of the user so far, has nothing running." in said
    assert Customer.objects.get().stripe_customer_id == customer["id"]
    assert person.words() == ("successful", "active")
    assert OUR_KEY not in metadata_of(stripe, bare)
    assert CustomerLink.objects.get().replaced_customer_id == bare
    person.hear_from_stripe()
    stripe.post(f"/v1/customers/{bare}", name="Changed")
    person.hear_from_stripe()
    assert Customer.objects.get().stripe_customer_id == customer["id"]


def test_a_user_who_pays_already_is_not_linked_to_a_second_customer(
    person: Person, stripe: Sandbox
) -> None:
    """One sentence names what has to be ended first; nothing is written."""
    assert person.subscribe().status_code == 200
    row = Customer.objects.get()
    customer = paying_customer(stripe)

    code, _, said = run("ada", customer["id"])

    assert code == 1
    assert f"ada has the customer {row.stripe_customer_id} with the subscription sub_" in said
    assert "End it first." in said
    assert Customer.objects.get().stripe_customer_id == row.stripe_customer_id
    assert OUR_KEY not in metadata_of(stripe, customer["id"])


def test_stripe_is_asked_whether_the_customer_of_before_pays(
    person: Person, stripe: Sandbox
) -> None:
    """What was begun elsewhere, with no event yet, counts as well."""
    assert person.post("setup-intent").status_code == 200
    bare = str(Customer.objects.get().stripe_customer_id)
    stripe.post(
        "/v1/subscriptions",
        customer=bare,
        collection_method="send_invoice",
        days_until_due=30,
        **{"items[0][price]": "price_sandbox_basic"},
    )

    assert run("ada", paying_customer(stripe)["id"])[0] == 1
    assert Customer.objects.get().stripe_customer_id == bare


@pytest.mark.parametrize("refused", ["another user's", "made for another", "deleted", "unknown"])
def test_what_is_not_free_cannot_be_linked(
    person: Person, new_person: Callable[[str], Person], stripe: Sandbox, refused: str
) -> None:
    """Each with a sentence of its own."""
    customer = paying_customer(stripe)["id"]
    if refused == "another user's":
        new_person("bob")
        assert run("bob", customer)[0] == 0
        expected = f"{customer} is the customer of another user, bob."
    elif refused == "made for another":
        another = uuid4()
        stripe.post(f"/v1/customers/{customer}", **{f"metadata[{OUR_KEY}]": str(another)})
        expected = f"{customer} was made for another user, {another}."
    elif refused == "deleted":
        stripe.delete(f"/v1/customers/{customer}")
        expected = f"{customer} was deleted at Stripe."
    else:
        customer = "cus_nowhere"
        expected = "Stripe shows our key no customer cus_nowhere."

    code, _, said = run("ada", customer)

    assert (code, said) == (1, expected)
    assert person.get("status").status_code == 404


def test_a_user_whom_auth_service_does_not_know_cannot_be_linked(stripe: Sandbox) -> None:
    """Nor one who is deleted, whose customer would be billed forever."""
    customer = paying_customer(stripe)["id"]
    stranger = Person(stripe)
    stranger.subscribe("4000000000000002")

    assert run("mallory", customer)[2] == "auth-service knows no user mallory."
    assert run(str(stranger.id), customer)[0] == 1
    User.objects.update(version=1, deletion_requested_at=timezone.now())
    assert run(str(stranger.id), customer)[2] == f"The user {stranger.id} is deleted."


def test_a_user_who_is_subscribing_is_not_linked_meanwhile(person: Person, stripe: Sandbox) -> None:
    """The attempt would end at the customer of before."""
    assert person.subscribe("4000000000000002").status_code == 400
    SubscribeAttempt.objects.update(
        state="open", leased_until=timezone.now() + timedelta(seconds=20)
    )

    code, _, said = run("ada", paying_customer(stripe)["id"])

    assert (code, said) == (1, "ada is subscribing at this moment. Try again in a minute.")


def test_an_open_checkout_page_is_closed_before(person: Person, stripe: Sandbox) -> None:
    """The user would subscribe on it a second time, as the customer of before."""
    page = person.post("checkout-session", {"subscription_product": "basic_subscription"}).json()
    customer = paying_customer(stripe)["id"]

    assert run("ada", customer)[0] == 0
    assert not stripe.complete_checkout(page["url"])
    assert person.words() == ("successful", "active")


def test_linking_again_changes_nothing_and_finishes_what_was_interrupted(
    person: Person, stripe: Sandbox
) -> None:
    """A lost answer in the middle leaves nothing that a repeated call does not mend."""
    assert person.post("setup-intent").status_code == 200
    customer = paying_customer(stripe)["id"]
    with stripe.fault(
        effect="error", status=500, when="after", method="POST", path="/v1/customers/*", times=3
    ):
        assert run("ada", customer)[0] == 1

    assert run("ada", customer)[0] == 0
    code, said, _ = run("ada", customer)

    assert code == 0
    assert f"{customer} is the customer of ada already." in said
    assert CustomerLink.objects.count() == 1
    assert person.words() == ("successful", "active")


def test_a_dry_run_tells_and_writes_nothing(person: Person, stripe: Sandbox) -> None:
    """The same sentences, the same refusals."""
    customer = paying_customer(stripe)["id"]

    code, said, _ = run("ada", customer, "--dry-run")

    assert code == 0
    assert f"{customer} becomes the customer of ada." in said
    assert not Customer.objects.exists()
    assert OUR_KEY not in metadata_of(stripe, customer)


def test_a_subscription_of_another_product_is_left_alone(person: Person, stripe: Sandbox) -> None:
    """It stays as it is, gives no access, and does not keep the user from subscribing."""
    customer = paying_customer(stripe, other_price(stripe))["id"]

    code, said, _ = run("ada", customer)

    assert code == 0
    assert "is of another product and is left alone." in said
    assert person.get("status").status_code == 404
    assert person.subscribe().status_code == 200
    (theirs,) = [
        each
        for each in stripe.all("/v1/subscriptions", customer=customer)
        if each["items"]["data"][0]["price"]["id"] != "price_sandbox_basic"
    ]
    assert theirs["status"] == "active"


def test_a_file_is_linked_line_by_line(
    new_person: Callable[[str], Person], stripe: Sandbox, tmp_path: Path
) -> None:
    """Lines that cannot be carried out are named with their numbers; the others are done."""
    ada, bob, eve = (new_person(name) for name in ("ada", "bob", "eve"))
    first, second, third, fourth = (paying_customer(stripe)["id"] for _ in range(4))
    file = tmp_path / "customers.csv"
    lines = [
        "user,customer,note",
        f"ada,{first},by name",
        f"{bob.id},{second},by id",
        f"mallory,{third},no such user",
        f"eve,{third},twice",
        f"eve,{fourth},twice",
        "ada",
    ]
    file.write_text("\ufeff" + "\n".join(lines), encoding="utf-8")

    checked = run("--csv", str(file), "--dry-run")
    assert not Customer.objects.exists()
    code, out, said = run("--csv", str(file))
    again = run("--csv", str(file))

    assert (checked[0], checked[2]) == (1, said)
    assert code == 1
    assert out.splitlines()[0].startswith(f"line 2: {first} becomes the customer of ada.")
    assert said.splitlines() == [
        f"line 4: {third} is on several lines; none of them is carried out.",
        "line 5: eve is on several lines; none of them is carried out.",
        "line 6: eve is on several lines; none of them is carried out.",
        "line 7: It needs a user and a customer.",
        "4 of 6 lines were refused.",
    ]
    assert (again[0], again[2]) == (code, said)
    assert [each.words() for each in (ada, bob)] == [("successful", "active")] * 2
    assert eve.get("status").status_code == 404
    assert CustomerLink.objects.count() == 2


def test_an_outage_in_the_middle_of_a_file_names_the_line(
    new_person: Callable[[str], Person], stripe: Sandbox, tmp_path: Path
) -> None:
    """The same command continues."""
    for name in ("ada", "bob"):
        new_person(name)
    first, second = (paying_customer(stripe)["id"] for _ in range(2))
    file = tmp_path / "customers.csv"
    file.write_text(f"user,customer\nada,{first}\nbob,{second}\n")

    with stripe.fault(effect="error", status=500, path=f"/v1/customers/{second}"):
        code, _, said = run("--csv", str(file))

    assert code == 1
    assert said.startswith("line 3: ")
    assert "Run the command again to continue" in said
    assert run("--csv", str(file))[0] == 0
    assert CustomerLink.objects.count() == 2


@pytest.mark.parametrize("text", ["ada,cus_1\n", None, "user,customer\n\xff"])
def test_a_file_that_cannot_be_used_is_named(
    stripe: Sandbox, tmp_path: Path, text: str | None
) -> None:
    """Without the two columns, missing, or not UTF-8."""
    file = tmp_path / "customers.csv"
    if text is not None:
        file.write_text(text, encoding="latin-1")

    code, _, said = run("--csv", str(file))

    assert code == 2
    assert str(file) in said


def test_wrong_usage_is_refused(stripe: Sandbox) -> None:
    """Half a pair, or a pair and a file."""
    assert run("ada")[0] == run()[0] == run("ada", "cus_1", "--csv", "x.csv")[0] == 2


def may_link(user_id: UUID) -> None:
    """Give a member of staff the permission."""
    user = User.objects.get(pk=user_id)
    user.user_permissions.add(Permission.objects.get(codename="link_customer"))


def test_support_links_a_customer_after_confirming_what_will_happen(
    person: Person, stripe: Sandbox, sign_in: Callable[..., tuple[Client, UUID]]
) -> None:
    """The first page changes nothing; afterwards the timeline tells who did it."""
    assert person.post("setup-intent").status_code == 200
    bare = str(Customer.objects.get().stripe_customer_id)
    browser, staff_id = sign_in("support", is_superuser=False)
    may_link(staff_id)
    customer = paying_customer(stripe)["id"]
    form = {"user": "ada", "customer": customer}

    confirmation = browser.post(PAGE, form).content.decode()
    assert f"{customer} becomes the customer of ada." in confirmation
    assert f"{bare}, the customer of the user so far, has nothing running." in confirmation
    assert Customer.objects.get().stripe_customer_id == bare
    answer = browser.post(PAGE, form | {"confirmed": "Link"})

    assert answer.status_code == 302
    assert answer["Location"] == f"/admin/timeline/{person.id}/"
    assert person.words() == ("successful", "active")
    assert CustomerLink.objects.get().linked_by_id == staff_id


def test_the_timeline_tells_who_linked_a_customer(
    person: Person, stripe: Sandbox, staff_client: Client
) -> None:
    """And what became of the customer of before."""
    assert person.post("setup-intent").status_code == 200
    bare = str(Customer.objects.get().stripe_customer_id)
    customer = paying_customer(stripe)["id"]
    staff_client.post(PAGE, {"user": "ada", "customer": customer, "confirmed": "Link"})

    page = staff_client.get(f"/admin/timeline/{person.id}/").content.decode()

    assert f"{customer} instead of {bare}, by boss" in page


def test_the_page_says_why_a_customer_cannot_be_linked(
    person: Person, stripe: Sandbox, staff_client: Client
) -> None:
    """The form comes back with the sentence, also if it was confirmed."""
    assert person.subscribe().status_code == 200
    form = {"user": "ada", "customer": paying_customer(stripe)["id"]}

    for given in (form, form | {"confirmed": "Link"}):
        page = staff_client.post(PAGE, given).content.decode()
        assert "End it first." in page
        assert 'name="confirmed"' not in page
    assert not CustomerLink.objects.exists()


def test_staff_without_the_permission_neither_see_nor_use_the_page(
    person: Person, sign_in: Callable[..., tuple[Client, UUID]], staff_client: Client
) -> None:
    """Superusers find it from the user and from the list of customers."""
    browser, staff_id = sign_in("support", is_superuser=False)
    viewer = User.objects.get(pk=staff_id)
    viewer.user_permissions.add(Permission.objects.get(codename="view_customer"))

    assert browser.get(PAGE).status_code == 403
    assert PAGE not in browser.get("/admin/subscriptions/customer/").content.decode()
    assert PAGE in staff_client.get("/admin/subscriptions/customer/").content.decode()
    link = f"{PAGE}?user={person.id}"
    assert link in staff_client.get(f"/admin/users/user/{person.id}/change/").content.decode()
    assert str(person.id) in staff_client.get(link).content.decode()
