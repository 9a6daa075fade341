"""Actions on selected rows: the worker does them, one row after the other.

A click stores which rows were selected, and a page shows what became of each. The rows of
`BulkAction` are the queue: an action whose worker was killed goes on where it was, and every
action can be done to a row once more. Permissions are checked for each row when its turn comes.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import IntegrityError, transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django import app as jobs
from procrastinate.exceptions import AlreadyEnqueued

from backoffice.models import BulkAction, BulkActionItem
from errors import BillingError, InternalError, Unavailable
from identity.bearer import client_ip
from subscriptions.errors import CustomerNotVisible
from users.models import User

JOB = "bulk_actions.sweep"
_MOST_SHOWN = 100
_BATCH = 1000

_log = logging.getLogger(__name__)

ModelAdmin = admin.ModelAdmin[Any]
State = BulkActionItem.State


class NotDone(BillingError):
    """The action cannot be done to this row."""

    code, status = "not_done", 400


@dataclass(frozen=True, kw_only=True)
class ForEachRow:
    """An action of Django's admin that acts on one row at a time, in the worker.

    Attributes:
        act: Does it to one row, and returns a sentence about what was done. What it raises of
            `BillingError` is shown instead; `Unavailable` makes the action wait and try again.
        allowed_permissions: `change` or `delete`; asked for each row as well.
        short_description: The name of the action.
        warning: What the page says that asks for a confirmation; without it, none is asked for.
        is_done: Whether a row, or None if there is none any more, shows that it was done already.
    """

    act: Callable[[Any, HttpRequest, Any], str]
    allowed_permissions: tuple[str]
    short_description: str
    warning: str
    is_done: Callable[[Any], bool]

    def __call__(
        self, model_admin: ModelAdmin, request: HttpRequest, queryset: QuerySet[Model]
    ) -> HttpResponse:
        """Start it for the selected rows, or ask first."""
        name = _name(request)
        count = queryset.count()
        if self.warning and request.POST.get("post") != str(count):
            return _ask(self, model_admin, request, queryset, count=count)
        return _start(self, model_admin, request, queryset, name=name)

    def allows(self, model_admin: ModelAdmin, request: HttpRequest, row: Model) -> bool:
        """Return whether the member of staff may do it to this row now."""
        (permission,) = self.allowed_permissions
        is_allowed = getattr(model_admin, f"has_{permission}_permission")
        return model_admin.admin_site.has_permission(request) and is_allowed(request, row)


def for_each_row(
    *,
    permission: str,
    description: str,
    warning: str = "",
    is_done: Callable[[Any], bool] = lambda _: False,
) -> Callable[[Callable[[Any, HttpRequest, Any], str]], ForEachRow]:
    """Make an action on the selected rows of what acts on one row; see `ForEachRow`."""

    def wrap(act: Callable[[Any, HttpRequest, Any], str]) -> ForEachRow:
        return ForEachRow(
            act=act,
            allowed_permissions=(permission,),
            short_description=description,
            warning=warning,
            is_done=is_done,
        )

    return wrap


@for_each_row(
    permission="delete",
    description="Delete selected %(verbose_name_plural)s",
    warning="They are deleted for good.",
    is_done=lambda row: row is None,
)
def delete_selected(model_admin: ModelAdmin, request: HttpRequest, row: Model) -> str:
    """Delete a row, and what depends on it, as its own page would."""
    _, _, lacking, protected = model_admin.get_deleted_objects([row], request)
    if lacking or protected:
        raise NotDone("Not deleted: something that you may not delete depends on it.")
    name = str(row)
    with transaction.atomic():
        model_admin.log_deletions(request, model_admin.get_queryset(request).filter(pk=row.pk))
        model_admin.delete_model(request, row)
    return f"{name} was deleted."


def stop(bulk_action: BulkAction) -> None:
    """Leave the rows that still wait as they are; one that is being acted on is finished."""
    bulk_action.items.filter(state=State.WAITING).update(state=State.STOPPED)
    _unfinished().filter(pk=bulk_action.pk).update(finished_at=timezone.now(), waits_for="")


def advance(*, seconds: float) -> Iterator[None]:
    """Go on with all unfinished actions in turn, a row of each at a time; yield after each row.

    An action that needs something unavailable waits for the next call.

    Args:
        seconds: Begin no further row after that time.
    """
    until, waiting = time.monotonic() + seconds, set[int]()
    while actions := _unfinished().exclude(pk__in=waiting):
        for action in actions.select_related("started_by"):
            if time.monotonic() > until:
                return
            item = action.items.filter(state=State.WAITING).order_by("id").first()
            if item is None:
                _unfinished().filter(pk=action.pk).update(finished_at=timezone.now(), waits_for="")
                continue
            try:
                _do(item, action)
            except Unavailable as outage:
                _unfinished().filter(pk=action.pk).update(waits_for=outage.detail)
                waiting.add(action.pk)
            yield


def _unfinished() -> QuerySet[BulkAction]:
    return BulkAction.objects.filter(finished_at=None).order_by("id")


def _do(item: BulkActionItem, action: BulkAction) -> None:
    try:
        sentence, state = _act(item, action), State.DONE
    except CustomerNotVisible as refusal:
        sentence, state = refusal.detail, State.FAILED
    except Unavailable:
        raise
    except BillingError as refusal:
        sentence, state = refusal.detail, State.FAILED
    except Exception:  # noqa: BLE001 - a bug that concerns one row must not keep the others waiting
        _log.exception("Bulk action failed", extra={"bulk_action": action.pk, "item": item.pk})
        sentence, state = InternalError.sentence, State.FAILED
    BulkActionItem.objects.filter(pk=item.pk).update(state=state, sentence=sentence[:500])
    _unfinished().filter(pk=action.pk).exclude(waits_for="").update(waits_for="")


def _act(item: BulkActionItem, action: BulkAction) -> str:
    request = _request_of(action)
    model_admin = admin.site.get_model_admin(apps.get_model(action.model))
    each: Any = (model_admin.get_action(action.action) or (None,))[0]
    if not isinstance(each, ForEachRow):
        raise NotDone("Not done: this version does not have the action any more.")
    row = model_admin.get_queryset(request).filter(pk=item.object_id).first()
    if each.is_done(row):
        return "Done already."
    if row is None:
        raise NotDone("Not done: it does not exist any more.")
    if not each.allows(model_admin, request, row):
        raise NotDone("Not done: the member of staff who started this may not do it.")
    return each.act(model_admin, request, row)


def _request_of(action: BulkAction) -> HttpRequest:
    """Return a request that stands for the member of staff who started the action."""
    request = HttpRequest()
    request.user = action.started_by
    request.META["REMOTE_ADDR"] = action.started_from
    return request


def _start(
    each: ForEachRow,
    model_admin: ModelAdmin,
    request: HttpRequest,
    queryset: QuerySet[Model],
    *,
    name: str,
) -> HttpResponse:
    ids = [str(pk) for pk in queryset.values_list("pk", flat=True)]
    chosen = {
        "model": model_admin.opts.label_lower,
        "action": name,
        "digest": hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest(),
    }
    try:
        with transaction.atomic():
            action = BulkAction.objects.create(
                **chosen,
                description=_description(each, model_admin),
                started_by=_staff(request),
                started_from=client_ip(request),
            )
            items = (BulkActionItem(bulk_action=action, object_id=each_id) for each_id in ids)
            BulkActionItem.objects.bulk_create(items, batch_size=_BATCH)
            page = admin.site.get_model_admin(BulkAction)
            page.log_addition(request, action, f"Started for {len(ids)} rows.")
    except IntegrityError:
        action = BulkAction.objects.filter(**chosen).latest("pk")
        messages.info(request, "This was started already.")
    transaction.on_commit(_wake_worker)
    return HttpResponseRedirect(reverse("admin:backoffice_bulkaction_change", args=[action.pk]))


def _wake_worker() -> None:
    # It looks each minute, whatever happens to this job.
    with suppress(AlreadyEnqueued):
        jobs.configure_task(JOB).defer(timestamp=int(time.time()))


def _ask(
    each: ForEachRow,
    model_admin: ModelAdmin,
    request: HttpRequest,
    queryset: QuerySet[Model],
    *,
    count: int,
) -> HttpResponse:
    shown = list(queryset[:_MOST_SHOWN])
    effects, kept = (
        [str(row) for row in shown],
        [str(row) for row in shown if not each.allows(model_admin, request, row)],
    )
    if each.allowed_permissions == ("delete",):
        effects, _, lacking, protected = model_admin.get_deleted_objects(shown, request)
        kept += [*lacking, *protected]
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"{_description(each, model_admin)}?",
        "opts": model_admin.opts,
        "warning": each.warning,
        "count": count,
        "effects": effects,
        "more": count - len(shown),
        "kept": sorted(set(map(str, kept))),
        "fields": [
            ("action", _name(request)),
            # The number that was confirmed: if rows have come or gone since, it is asked again.
            ("post", count),
            ("select_across", request.POST.get("select_across", "0")),
            *((ACTION_CHECKBOX_NAME, pk) for pk in request.POST.getlist(ACTION_CHECKBOX_NAME)),
        ],
    }
    return TemplateResponse(request, "backoffice/confirm_bulk_action.html", context)


def _name(request: HttpRequest) -> str:
    # A list may have a menu of actions above and below it; the index says whose button it was.
    names, index = request.POST.getlist("action"), request.POST.get("index", "")
    return names[int(index)] if index.isdecimal() and int(index) < len(names) else names[0]


def _description(each: ForEachRow, model_admin: ModelAdmin) -> str:
    return each.short_description % {
        "verbose_name_plural": model_admin.opts.verbose_name_plural,
    }


def _staff(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise TypeError("the admin let an anonymous user through")
    return request.user
