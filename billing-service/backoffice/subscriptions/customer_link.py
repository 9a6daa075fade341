"""The page that links a customer at Stripe to a user."""

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from errors import BillingError
from subscriptions.managing.customer_links import Link, link, prepare
from subscriptions.models import Customer
from users.models import User

PERMISSION = "subscriptions.link_customer"


class LinkForm(forms.Form):
    """Whose customer becomes which."""

    user = forms.CharField(label="User", help_text="Username or user id", strip=True)
    customer = forms.CharField(label="Customer", help_text="Stripe's id, cus_…", max_length=255)


def show(model_admin: admin.ModelAdmin[Customer], request: HttpRequest) -> HttpResponse:
    """Ask for both, say what will happen, and do it once that is confirmed.

    Raises:
        PermissionDenied: The member of staff lacks the permission `link_customer`.
    """
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    form = LinkForm(request.POST or None, initial={"user": request.GET.get("user", "")})
    plan: Link | None = None
    if form.is_valid():
        pair = form.cleaned_data["user"], form.cleaned_data["customer"]
        try:
            plan = prepare(*pair)
            if "confirmed" in request.POST:
                by = request.user if isinstance(request.user, User) else None
                return _done(model_admin, request, link(*pair, by=by))
        except BillingError as refusal:
            form.add_error(None, refusal.detail)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Link a customer at Stripe to a user",
        "form": form,
        "plan": plan if not form.errors else None,
        "opts": model_admin.opts,
    }
    return TemplateResponse(request, "backoffice/link_customer.html", context)


def _done(
    model_admin: admin.ModelAdmin[Customer], request: HttpRequest, done: Link
) -> HttpResponse:
    row = Customer.objects.get(stripe_customer_id=done.stripe_customer_id)
    said = " ".join(done.sentences)
    model_admin.log_change(request, row, f"Linked to the user. {said}")
    model_admin.message_user(request, f"Linked. {said}", messages.SUCCESS)
    return HttpResponseRedirect(reverse("admin:timeline", args=[done.user.pk]))
