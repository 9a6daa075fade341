"""The dashboard over plain HTTP: what it shows, what its buttons do, what it refuses."""

import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
import pytest

from tests import plain_http
from tests.receiver import Receiver
from tests.scenes import NEW_YEAR, Scene
from tests.server import Server

LISTS = [
    "customers",
    "subscriptions",
    "invoices",
    "payments",
    "products",
    "events",
    "clocks",
    "deliveries",
    "faults",
]
ASKS_FOR_3DS = "pm_card_authenticationRequired"


@pytest.fixture
def browser(server: Server) -> Iterator[httpx.Client]:
    """Follows links and redirects like a browser, without scripts."""
    with plain_http.Client(base_url=server.url, follow_redirects=True, timeout=15) as client:
        yield client


class _Tags(HTMLParser):
    """Collects the tags of a page, and checks that they are closed in order."""

    VOID = frozenset(("meta", "link", "input", "img", "path", "wbr", "br"))

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "action", "src")]

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.handle_endtag(tag)


def parsed(answer: httpx.Response) -> _Tags:
    """The tags of a page that was answered."""
    assert answer.status_code == 200, answer.text
    tags = _Tags()
    tags.feed(answer.text)
    assert tags.open == []
    return tags


def eventually(browser: httpx.Client, page: str, words: str) -> str:
    """The page once it says something that is written after the answer was sent."""
    deadline = time.monotonic() + 15
    while words not in (text := browser.get(page).text):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return text


def arrived(scene: Scene) -> None:
    """Wait until the scene's clock has reached the time it was sent to."""
    deadline = time.monotonic() + 15
    while scene.v1.test_helpers.test_clocks.retrieve(scene.clock.id).status == "advancing":
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("name", ["", *LISTS])
def test_every_list_is_shown(browser: httpx.Client, scene: Scene, name: str) -> None:
    """Each place of the dashboard answers well-formed HTML that loads nothing from elsewhere."""
    scene.subscription(scene.customer(name="Ada Lovelace"))

    tags = parsed(browser.get(f"/{name}"))

    loaded = [link for link in tags.links if link.startswith(("http", "//"))]
    assert [link for link in loaded if not link.startswith(str(browser.base_url))] == []
    assert "/assets/style.css" in tags.links


def test_every_link_of_the_dashboard_leads_somewhere(browser: httpx.Client, scene: Scene) -> None:
    """From the pages of a subscription and its customer no link is dead."""
    customer = scene.customer(name="Grace Hopper")
    subscription = scene.subscription(customer)
    start = [f"/subscriptions/{subscription.id}", f"/customers/{customer.id}"]

    links = {link for page in start for link in parsed(browser.get(page)).links}

    local = sorted(link for link in links if link.startswith("/") and link != "/search")
    assert len(local) > 20
    assert [link for link in local if browser.get(link).status_code != 200] == []


def test_what_callers_send_is_never_markup(browser: httpx.Client, scene: Scene) -> None:
    """A name with tags is shown as typed, in lists, headings, titles and JSON."""
    hostile = "<script>alert(1)</script>"
    customer = scene.customer(name=hostile, description=hostile, metadata={"x": hostile})
    invoice = scene.subscription(customer).latest_invoice

    for page in ("/customers", f"/customers/{customer.id}", f"/hosted/invoice/{invoice.id}"):
        text = browser.get(page).text
        assert "<script" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_pages_may_run_no_script(browser: httpx.Client) -> None:
    """Even if markup slipped through, the browser would load and run nothing."""
    policy = browser.get("/").headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "script" not in policy


def test_the_page_says_that_nothing_is_real(browser: httpx.Client) -> None:
    """Every page says that it is a sandbox."""
    assert "Offline sandbox" in browser.get("/").text


def test_filters_and_older_pages(browser: httpx.Client, scene: Scene) -> None:
    """A status filter shows that status alone, and long lists go on."""
    for _ in range(27):
        scene.customer(card=None)
    scene.subscription(scene.customer(card=ASKS_FOR_3DS), payment_behavior="allow_incomplete")

    incomplete = browser.get("/subscriptions", params={"status": "incomplete"}).text
    first = browser.get("/customers").text
    older = re.search(r'href="(\?before=cus_\w+)"', first)

    assert 'class="badge good">Active' not in incomplete
    assert 'class="badge wait">Incomplete' in incomplete
    assert older
    second = browser.get(f"/customers{older[1]}").text
    shown = [set(re.findall(r"/customers/(cus_\w+)", page)) for page in (first, second)]
    assert len(shown[0]) == 25
    assert shown[1]
    assert not shown[0] & shown[1]


def test_search_finds_ids_and_addresses(browser: httpx.Client, scene: Scene) -> None:
    """Typing an id or an email address leads to the object; anything else says so."""
    customer = scene.customer(email="katherine@example.com")
    subscription = scene.subscription(customer)

    by_id = browser.get("/search", params={"q": subscription.id})
    by_email = browser.get("/search", params={"q": "katherine@example.com"})

    assert by_id.url.path == f"/subscriptions/{subscription.id}"
    assert by_email.url.path == f"/customers/{customer.id}"
    assert browser.get("/search", params={"q": "unknown"}).status_code == 404


def test_links_made_for_stripes_dashboard_work(browser: httpx.Client, scene: Scene) -> None:
    """`/test/customers/…` leads to the customer, as on Stripe's own dashboard."""
    customer = scene.customer(name="Annie Easley")

    answer = browser.get(f"/test/customers/{customer.id}")

    assert answer.url.path == f"/customers/{customer.id}"
    assert "Annie Easley" in answer.text


def test_a_deleted_customer_is_said_to_be_deleted(browser: httpx.Client, scene: Scene) -> None:
    """A link to what is gone explains itself."""
    customer = scene.customer()
    scene.v1.customers.delete(customer.id)

    assert "was deleted" in browser.get(f"/customers/{customer.id}").text
    assert browser.get("/customers/cus_never").status_code == 404


@pytest.mark.parametrize(("outcome", "status"), [("complete", "active"), ("fail", "incomplete")])
def test_the_dashboard_authenticates_for_the_customer(
    browser: httpx.Client, scene: Scene, outcome: str, status: str
) -> None:
    """The buttons on the subscription's page decide how 3-D Secure ends."""
    subscription = scene.subscription(
        scene.customer(card=ASKS_FOR_3DS), payment_behavior="allow_incomplete"
    )
    page = f"/subscriptions/{subscription.id}"
    (action,) = re.findall(r'action="(/payments/\w+/authenticate)"', browser.get(page).text)

    answer = browser.post(action, data={"outcome": outcome, "back": page})

    assert answer.url.path == page
    assert scene.seen(subscription).status == status
    assert action not in answer.text


def test_a_click_too_late_is_explained(browser: httpx.Client, scene: Scene) -> None:
    """A second press of the button is refused in words."""
    subscription = scene.subscription(
        scene.customer(card=ASKS_FOR_3DS), payment_behavior="allow_incomplete"
    )
    page = browser.get(f"/subscriptions/{subscription.id}").text
    (action,) = re.findall(r'action="(/payments/\w+/authenticate)"', page)
    browser.post(action, data={"outcome": "complete"})

    again = browser.post(action, data={"outcome": "complete"})

    assert again.status_code == 400
    assert "does not require authentication" in again.text


def test_the_dashboard_advances_a_clock(browser: httpx.Client, scene: Scene) -> None:
    """One press moves time on a month, and the subscription renews."""
    scene.on_a_clock()
    subscription = scene.subscription(scene.customer())
    page = f"/clocks/{scene.clock.id}"

    answer = browser.post(f"{page}/advance", data={"by": str(32 * 86400)})
    arrived(scene)

    assert "advanced" in answer.text
    invoices = scene.v1.invoices.list({"subscription": subscription.id})
    assert len(invoices.data) == 2


def test_the_dashboard_advances_a_clock_to_a_time(browser: httpx.Client, scene: Scene) -> None:
    """A date and time can be chosen; one in the past is refused in words."""
    scene.on_a_clock()
    action = f"/clocks/{scene.clock.id}/advance"

    browser.post(action, data={"to": "2026-01-02T03:04"})
    arrived(scene)

    clock = scene.v1.test_helpers.test_clocks.retrieve(scene.clock.id)
    assert clock.frozen_time == NEW_YEAR + 86400 + 3 * 3600 + 4 * 60
    assert browser.post(action, data={"to": "2020-01-01T00:00"}).status_code == 400
    assert browser.post(action, data={"to": "yesterday"}).status_code == 400
    assert browser.post(action, data={"by": "a while"}).status_code == 400


def test_an_event_is_resent(browser: httpx.Client, scene: Scene) -> None:
    """The button delivers the event once more, freshly signed, and the log shows both."""
    with Receiver() as receiver:
        endpoint = scene.v1.webhook_endpoints.create(
            {"url": receiver.url, "enabled_events": ["customer.created"]}
        )
        receiver.secret = str(endpoint.secret)
        scene.customer(card=None)
        (first,) = receiver.wait_for(bool)

        answer = browser.post(f"/events/{first.event.id}/resend")
        received = receiver.wait_for(lambda found: len(found) == 2)

        assert "on its way" in answer.text
        assert {one.event.id for one in received} == {first.event.id}
        scene.v1.webhook_endpoints.delete(endpoint.id)


def test_a_failing_endpoint_is_seen_in_the_log(browser: httpx.Client, scene: Scene) -> None:
    """The event's page names the endpoint and what it answered."""
    with Receiver(lambda _event, _times: 418) as receiver:
        endpoint = scene.v1.webhook_endpoints.create(
            {"url": receiver.url, "enabled_events": ["customer.created"]}
        )
        receiver.secret = str(endpoint.secret)
        customer = scene.customer(card=None)
        receiver.wait_for(bool)
        (event,) = scene.events(customer.id)

        assert "Answered 418" in eventually(browser, f"/events/{event.id}", "Answered")
        scene.v1.webhook_endpoints.delete(endpoint.id)


def test_faults_are_put_in_force_and_lifted(browser: httpx.Client, scene: Scene) -> None:
    """The page shows what is in force; a mistake in the form is explained."""
    put = browser.post(
        "/faults", data={"effect": "error", "status": "503", "path": "/v1/products", "times": "1"}
    )
    (lift,) = re.findall(r'action="(/faults/fault_\d+/lift)"', put.text)

    assert "/v1/products" in put.text
    assert "None: the sandbox behaves." in browser.post(lift).text
    assert browser.post("/faults", data={"effect": "error", "status": "7"}).status_code == 400
    assert scene.v1.products.list() is not None


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "null"},
    ],
)
def test_forms_of_other_sites_are_refused(
    browser: httpx.Client, scene: Scene, headers: dict[str, str]
) -> None:
    """A page elsewhere cannot press the sandbox's buttons through the visitor's browser."""
    subscription = scene.subscription(
        scene.customer(card=ASKS_FOR_3DS), payment_behavior="allow_incomplete"
    )
    page = browser.get(f"/subscriptions/{subscription.id}").text
    (action,) = re.findall(r'action="(/payments/\w+/authenticate)"', page)

    answer = browser.post(action, data={"outcome": "complete"}, headers=headers)

    assert answer.status_code == 403
    assert scene.seen(subscription).status == "incomplete"


def test_a_button_leads_back_into_the_sandbox_only(browser: httpx.Client, scene: Scene) -> None:
    """A doctored form cannot send its visitor to another site."""
    subscription = scene.subscription(
        scene.customer(card=ASKS_FOR_3DS), payment_behavior="allow_incomplete"
    )
    page = browser.get(f"/subscriptions/{subscription.id}").text
    (action,) = re.findall(r'action="(/payments/\w+/authenticate)"', page)

    answer = browser.post(
        action, data={"outcome": "fail", "back": "//evil.example/"}, follow_redirects=False
    )

    assert answer.headers["location"].startswith("/objects/pi_")


def test_lists_and_facts_say_names(browser: httpx.Client, scene: Scene) -> None:
    """An event and a latest invoice are called by what people know them by, not by ids."""
    customer = scene.customer(name="Grace Hopper")
    subscription = scene.subscription(customer)
    number = subscription.latest_invoice.number

    page = browser.get(f"/subscriptions/{subscription.id}").text

    assert f'<a href="/objects/{subscription.latest_invoice.id}">Invoice {number}</a>' in page
    assert '<span class="sub">Grace Hopper on Basic subscription</span>' in page


def test_the_hosted_pages_name_the_merchant() -> None:
    """`SANDBOX_ACCOUNT_NAME` is on the page, on the invoice and in the account."""
    with Server(SANDBOX_ACCOUNT_NAME="Tea & Co") as server:
        v1 = server.client().v1
        customer = v1.customers.create({"name": "Ada"})
        session = v1.billing_portal.sessions.create({"customer": customer.id})
        invoice = v1.invoices.create({"customer": customer.id})

        assert "Tea &amp; Co" in plain_http.get(session.url).text
        assert invoice.account_name == "Tea & Co"
        assert v1.accounts.retrieve_current().business_profile.name == "Tea & Co"
