"""Subscription schedules: changes of a subscription that are planned ahead, in phases."""

from typing import Any

from stripe_sandbox import changes
from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, due, handles, retrieves
from stripe_sandbox.errors import InvalidRequest, NotCovered
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.objects.schedules import Phase, PhaseItem, SubscriptionSchedule
from stripe_sandbox.objects.subscriptions import Subscription
from stripe_sandbox.resources.subscription_terms import recurring_price
from stripe_sandbox.resources.subscriptions import start
from stripe_sandbox.rules import payment_methods, periods, schedules, subscriptions
from stripe_sandbox.storage.kinds import CUSTOMER, PRICE, SUBSCRIPTION, SUBSCRIPTION_SCHEDULE
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

_MAX_PHASES = 10
_PHASE_FIELDS = (
    "billing_cycle_anchor",
    "collection_method",
    "currency",
    "default_payment_method",
    "description",
    "discounts",
    "duration",
    "end_date",
    "items",
    "metadata",
    "proration_behavior",
    "start_date",
    "trial_end",
)
_DEFAULTS: Json = {
    "automatic_tax": {"enabled": False},
    "billing_cycle_anchor": "automatic",
    "collection_method": "charge_automatically",
    "invoice_settings": {"issuer": {"type": "self"}},
}

retrieves("subscription_schedules.retrieve", SUBSCRIPTION_SCHEDULE)


@handles("subscription_schedules.create")
def create(call: Call) -> Thing:
    """Create a schedule for a subscription that exists, or for one that it starts."""
    work, params = call.work, call.params
    if params.get("from_subscription"):
        return _for_existing(work, params)
    if not params.get("customer"):
        raise InvalidRequest(
            "Missing required param: customer.", code="parameter_missing", param="customer"
        )
    customer = work.referenced(CUSTOMER, params["customer"], param="customer")
    now = work.now(customer["test_clock"])
    begin = params.get("start_date", "now")
    begin = now if begin == "now" else begin
    if begin < now:
        raise NotCovered("schedules that begin in the past", param="start_date")
    if not params.get("phases"):
        raise InvalidRequest(
            "Missing required param: phases.", code="parameter_missing", param="phases"
        )
    schedule = _new(work, params, customer["id"], customer["test_clock"])
    schedule["phases"] = _phases(work, params["phases"], begin=begin, moment=now)
    emit(work, "subscription_schedule.created", work.save(schedule))
    if begin > now:
        work.schedule(schedule, "schedule.start", begin, clock=customer["test_clock"])
        return schedule
    begin_subscription(work, schedule)
    return schedule


def _new(work: Work, params: Any, customer: str, clock: str | None) -> SubscriptionSchedule:
    settings = params.get("default_settings") or {}
    names = ("billing_cycle_anchor", "collection_method", "default_payment_method", "description")
    changes.only(settings, *names, path="default_settings")
    mode = (params.get("billing_mode") or {}).get("type", "flexible")
    return work.create(
        SUBSCRIPTION_SCHEDULE,
        {
            "billing_mode": {
                "type": mode,
                "flexible": {"proration_discounts": "included"} if mode == "flexible" else None,
            },
            "created": work.now(clock),
            "customer": customer,
            "default_settings": {**_DEFAULTS, **settings},
            "end_behavior": params.get("end_behavior", "release"),
            "metadata": changes.metadata({}, params),
            "pause_schedules": [],
            "phases": [],
            "status": "not_started",
            "test_clock": clock,
        },
    )


@due("schedule.start")
def begin_subscription(work: Work, schedule: SubscriptionSchedule) -> None:
    """Start the subscription of a schedule's first phase."""
    if schedule["status"] != "not_started":
        return
    phase, settings = schedule["phases"][0], schedule["default_settings"]
    params: Json = {
        "customer": schedule["customer"],
        "items": [
            {"price": item["price"], "quantity": item["quantity"], "metadata": item["metadata"]}
            for item in phase["items"]
        ],
        "billing_mode": {"type": schedule["billing_mode"]["type"]},
        "default_payment_method": phase["default_payment_method"]
        or settings.get("default_payment_method"),
        "description": phase["description"] or settings.get("description"),
        "discounts": phase["discounts"],
        "metadata": phase["metadata"],
        "off_session": True,
    }
    if phase["trial_end"]:
        params["trial_end"] = phase["trial_end"]
    customer = work.get(CUSTOMER, schedule["customer"])
    if not (params["default_payment_method"] or payment_methods.default_of(customer)):
        # A phase that begins by itself has no caller who could be refused.
        params["payment_behavior"] = "default_incomplete"
    subscription = start(work, params)
    schedules.attach(work, schedule, subscription)
    emit(work, "subscription_schedule.updated", schedule)


def _for_existing(work: Work, params: Any) -> SubscriptionSchedule:
    if params.get("phases") or params.get("start_date"):
        raise InvalidRequest(
            "You cannot set `phases` or `start_date` if `from_subscription` is set. Create the "
            "schedule first, then update its phases.",
            param="phases",
        )
    named = params["from_subscription"]
    subscription = work.referenced(SUBSCRIPTION, named, param="from_subscription")
    if subscription["status"] in subscriptions.ENDED or subscription["schedule"]:
        why = subscription["schedule"] or f"it is {subscription['status']}"
        raise InvalidRequest(
            f"You cannot create a schedule from the subscription {subscription['id']}: {why}.",
            param="from_subscription",
        )
    schedule = _new(work, params, subscription["customer"], subscription["test_clock"])
    schedule["billing_mode"] = subscription["billing_mode"]
    schedule["phases"] = [_phase_of(subscription)]
    work.save(schedule)
    schedules.attach(work, schedule, subscription)
    emit(work, "subscription_schedule.created", schedule)
    emit(work, "customer.subscription.updated", subscription)
    return schedule


def _phase_of(subscription: Subscription) -> Phase:
    """The phase that a subscription is in as it is: its current period."""
    items = subscription["items"]["data"]
    return Phase(
        add_invoice_items=[],
        billing_cycle_anchor=None,
        collection_method=None,
        currency=subscription["currency"],
        default_payment_method=subscription["default_payment_method"],
        description=subscription["description"],
        discounts=[],
        end_date=subscriptions.next_renewal(subscription),
        items=[
            PhaseItem(
                discounts=[],
                metadata=item["metadata"],
                plan=item["price"],
                price=item["price"],
                quantity=item["quantity"],
                tax_rates=[],
            )
            for item in items
        ],
        metadata={},
        proration_behavior="create_prorations",
        start_date=min(item["current_period_start"] for item in items),
        trial_end=subscription["trial_end"] if subscription["status"] == "trialing" else None,
    )


def _phases(work: Work, wanted: list[Json], *, begin: int, moment: int) -> list[Phase]:
    """Phases that follow each other without a gap.

    Args:
        wanted: The `phases` parameter.
        begin: When the first one begins, if it does not say so.
        moment: Now.
    """
    if len(wanted) > _MAX_PHASES:
        raise InvalidRequest(f"A schedule has at most {_MAX_PHASES} phases.", param="phases")
    found: list[Phase] = []
    for index, one in enumerate(wanted):
        path = f"phases[{index}]"
        phase = _phase(work, one, begin, moment, path)
        if found and phase["start_date"] != found[-1]["end_date"]:
            raise InvalidRequest(
                "The start date of a phase must be the end date of the phase before it.",
                param=f"{path}[start_date]",
            )
        found.append(phase)
        begin = phase["end_date"]
    return found


def _phase(work: Work, wanted: Json, begin: int, moment: int, path: str) -> Phase:
    changes.only(wanted, *_PHASE_FIELDS, path=path)
    if not wanted.get("items"):
        raise InvalidRequest(
            f"Missing required param: {path}[items].",
            code="parameter_missing",
            param=f"{path}[items]",
        )
    start_date = _moment(wanted.get("start_date"), moment) or begin
    items = [_item(work, one, f"{path}[items][{i}]") for i, one in enumerate(wanted["items"])]
    end = _moment(wanted.get("end_date"), moment)
    if end is None:
        end = _end_of(work, wanted, items, start_date)
    if end <= start_date:
        raise InvalidRequest("A phase must end after it starts.", param=f"{path}[end_date]")
    return Phase(
        add_invoice_items=[],
        billing_cycle_anchor=wanted.get("billing_cycle_anchor"),
        collection_method=wanted.get("collection_method"),
        currency=work.get(PRICE, items[0]["price"])["currency"],
        default_payment_method=wanted.get("default_payment_method") or None,
        description=wanted.get("description") or None,
        discounts=wanted.get("discounts") or [],
        end_date=end,
        items=items,
        metadata=changes.metadata({}, wanted),
        proration_behavior=wanted.get("proration_behavior", "create_prorations"),
        start_date=start_date,
        trial_end=_moment(wanted.get("trial_end"), moment),
    )


def _moment(value: Any, now: int) -> int | None:
    return now if value == "now" else value


def _end_of(work: Work, wanted: Json, items: list[PhaseItem], begin: int) -> int:
    """The end of a phase that is given as a duration; one period of its price by default."""
    duration = wanted.get("duration")
    if duration is None:
        recurring = work.get(PRICE, items[0]["price"])["recurring"]
        duration = recurring or {"interval": "month", "interval_count": 1}
    return periods.add(begin, duration["interval"], duration.get("interval_count", 1))


def _item(work: Work, wanted: Json, path: str) -> PhaseItem:
    changes.only(wanted, "price", "price_data", "plan", "quantity", "metadata", path=path)
    price = recurring_price(work, wanted, path)
    return PhaseItem(
        discounts=[],
        metadata=changes.metadata({}, wanted),
        plan=price["id"],
        price=price["id"],
        quantity=wanted.get("quantity", 1),
        tax_rates=[],
    )


@handles("subscription_schedules.update")
def update(call: Call) -> Thing:
    """Change the current and the future phases of a schedule, or what happens at its end."""
    work, params = call.work, call.params
    schedule = _open(call, "update")
    changes.apply(schedule, params, "end_behavior")
    if params.get("default_settings"):
        schedule["default_settings"] = {
            **schedule["default_settings"],
            **params["default_settings"],
        }
    subscription = work.find(SUBSCRIPTION, schedule["subscription"])
    if "phases" in params:
        _replace_phases(work, schedule, params)
    params.get("proration_behavior")
    if subscription:
        now = subscriptions.now(work, subscription)
        phase = schedules.phase_at(schedule, now)
        if phase is None:
            raise InvalidRequest("One of the phases must contain the present.", param="phases")
        if "phases" in params:
            if params.get("proration_behavior"):
                phase = Phase(**{**phase, "proration_behavior": params["proration_behavior"]})
            schedules.begin_phase(work, subscription, phase)
            subscriptions.changed(work, subscription)
        schedules.follow(work, schedule, subscription)
    emit(work, "subscription_schedule.updated", work.save(schedule))
    return schedule


def _replace_phases(work: Work, schedule: SubscriptionSchedule, params: Any) -> None:
    current = schedule["current_phase"]
    begin = current["start_date"] if current else schedule["phases"][0]["start_date"]
    moment = work.now(schedule["test_clock"])
    phases = _phases(work, params["phases"], begin=begin, moment=moment)
    customer = work.get(CUSTOMER, schedule["customer"])
    for index, phase in enumerate(phases):
        if phase["default_payment_method"]:
            path = f"phases[{index}][default_payment_method]"
            payment_methods.owned(work, phase["default_payment_method"], customer, param=path)
    schedule["phases"] = phases


def _open(call: Call, verb: str) -> SubscriptionSchedule:
    schedule = call.work.get(SUBSCRIPTION_SCHEDULE, call.id)
    if schedule["status"] not in {"active", "not_started"}:
        raise InvalidRequest(
            f"You cannot {verb} a subscription schedule that is currently in the "
            f"`{schedule['status']}` status."
        )
    return schedule


@handles("subscription_schedules.release")
def release(call: Call) -> Thing:
    """Let the subscription continue without its schedule."""
    schedule = _open(call, "release")
    call.params.get("preserve_cancel_date")
    return schedules.release(call.work, schedule)


@handles("subscription_schedules.cancel")
def cancel(call: Call) -> Thing:
    """Cancel a schedule and its subscription at once."""
    schedule = _open(call, "cancel")
    for name in ("invoice_now", "prorate"):
        if call.params.get(name):
            raise NotCovered(f"`{name}` of subscription_schedules.cancel", param=name)
    subscription = call.work.find(SUBSCRIPTION, schedule["subscription"])
    if subscription and subscription["status"] not in subscriptions.ENDED:
        subscription["schedule"] = None
        subscriptions.end(call.work, subscription, reason="cancellation_requested")
    return schedules.cancel(call.work, schedule)


@handles("subscription_schedules.list")
def list_schedules(call: Call) -> Thing:
    """Schedules, newest first."""
    where: Json = {"customer": call.params.get("customer")}
    if call.params.get("scheduled") is not None:
        raise NotCovered("the parameter `scheduled`", param="scheduled")
    return page(call, SUBSCRIPTION_SCHEDULE, where)
