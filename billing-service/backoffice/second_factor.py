"""The pages of a log-in after the password: a code, or the set-up of a second factor.

No one is logged in before the last page. Until then the session holds auth-service's challenge, or
the user who has to set up a second factor.
"""

import time
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import REDIRECT_FIELD_NAME, login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from backoffice.admin_site import is_page
from errors import BillingError
from identity.bearer import client_ip
from users.auth_client import Actor, AuthRefused, auth_client
from users.backends import staff_of
from users.login_steps import EnrolmentRequired, SecondFactorRequired
from users.mirror import apply_user
from users.models import User

_CHALLENGE = "second_factor_challenge"
_ENROLMENT = "second_factor_enrolment"
_ENROLMENT_SECONDS = 15 * 60
_RECOVERY = "recovery-code"
_BACKEND = "users.backends.AuthServiceBackend"
_TOO_LATE = "That took too long, or your account has changed. Log in again."
_NO_STAFF = "Only staff can log in here."


class CodeForm(forms.Form):
    """Six digits; auth-service checks what is typed."""

    code = forms.CharField(
        label="Code of your app",
        max_length=16,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}
        ),
    )


class RecoveryCodeForm(forms.Form):
    """One of the ten codes that were shown at the set-up."""

    recovery_code = forms.CharField(
        label="Recovery code",
        max_length=64,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "autofocus": True}
        ),
    )


def ask_for_code(request: HttpRequest, required: SecondFactorRequired) -> HttpResponse:
    """Remember the challenge and lead to the page that asks for a code."""
    # A new session: one that was known before the password must not take part in the log-in.
    request.session.flush()
    request.session[_CHALLENGE] = required.challenge
    return _go("admin:second_factor", request)


def ask_to_enrol(request: HttpRequest, required: EnrolmentRequired) -> HttpResponse:
    """Lead a member of staff to the page that sets up a second factor."""
    request.session.flush()
    acting = Actor(required.user_id, client_ip(request))
    try:
        auth_client().start_enrolment(required.user_id, actor=acting)
    except BillingError as refusal:
        return _start_over(request, refusal.detail)
    request.session[_ENROLMENT] = {
        "user_id": str(required.user_id),
        "auth_epoch": required.auth_epoch,
        "until": time.time() + _ENROLMENT_SECONDS,
    }
    return _go("admin:second_factor_enrolment", request)


@never_cache
@sensitive_post_parameters()
def complete(request: HttpRequest) -> HttpResponse:
    """Ask for a code, or with `?with=recovery-code` for a recovery code, and log in."""
    challenge = request.session.get(_CHALLENGE)
    if challenge is None:
        return _go("admin:login", request)
    with_recovery_code = request.GET.get("with") == _RECOVERY
    form = (RecoveryCodeForm if with_recovery_code else CodeForm)(request.POST or None)
    if form.is_valid():
        try:
            token = auth_client().complete_log_in(
                challenge,
                form.cleaned_data,
                client_ip=client_ip(request),
                user_agent=request.headers.get("User-Agent", ""),
            )
            user = staff_of(token)
        except EnrolmentRequired as required:
            return ask_to_enrol(request, required)
        except BillingError as refusal:
            if _reason(refusal) == "challenge_not_valid":
                return _start_over(request, _TOO_LATE)
            _show(refusal, form)
        else:
            return _enter(request, user) if user else _start_over(request, _NO_STAFF)
    other = {} if with_recovery_code else {"with": _RECOVERY}
    context = {
        "title": "Second factor",
        "form": form,
        "with_recovery_code": with_recovery_code,
        "other_way": _address("admin:second_factor", request, **other),
    }
    return _page(request, "backoffice/second_factor.html", context)


@never_cache
@sensitive_post_parameters()
def enrol(request: HttpRequest) -> HttpResponse:
    """Show the QR code; with the first code of the app, log in and show the recovery codes."""
    pending = request.session.get(_ENROLMENT)
    if pending is None:
        return _go("admin:login", request)
    if time.time() > pending["until"]:
        return _start_over(request, _TOO_LATE)
    user_id = UUID(pending["user_id"])
    form = CodeForm(request.POST or None)
    try:
        user = _unchanged(user_id, auth_epoch=pending["auth_epoch"])
        if user is None:
            return _start_over(request, _TOO_LATE)
        if form.is_valid() and (codes := _confirm(request, user, form)):
            destination = _enter(request, user).url
            shown = {"title": "Recovery codes", "codes": codes, "destination": destination}
            return _page(request, "backoffice/recovery_codes.html", shown)
        new = auth_client().enrolment(user_id, actor=Actor(user_id, client_ip(request)))
    except BillingError as refusal:
        return _start_over(request, refusal.detail)
    context = {
        "title": "Set up a second factor",
        "form": form,
        "secret": " ".join(new.secret[at : at + 4] for at in range(0, len(new.secret), 4)),
        "otpauth_uri": new.otpauth_uri,
        "qr_code": mark_safe(new.qr_code),  # noqa: S308 # auth-service draws it from a secret of its own
    }
    return _page(request, "backoffice/second_factor_enrolment.html", context)


def _confirm(request: HttpRequest, user: User, form: CodeForm) -> list[str] | None:
    acting = Actor(user.id, client_ip(request))
    try:
        return auth_client().confirm_enrolment(user.id, form.cleaned_data["code"], actor=acting)
    except AuthRefused as refusal:
        if refusal.reason not in ("wrong_code", "validation_error"):
            raise
        _show(refusal, form)
        return None


def _unchanged(user_id: UUID, *, auth_epoch: int) -> User | None:
    user = apply_user(auth_client().read_user(user_id))
    is_same = user.is_active and user.is_staff and user.auth_epoch == auth_epoch
    return user if is_same else None


def _enter(request: HttpRequest, user: User) -> HttpResponseRedirect:
    for name in (_CHALLENGE, _ENROLMENT):
        request.session.pop(name, None)
    login(request, user, backend=_BACKEND)
    return HttpResponseRedirect(_next(request) or reverse("admin:index"))


def _start_over(request: HttpRequest, sentence: str) -> HttpResponse:
    request.session.flush()
    messages.error(request, sentence)
    return _go("admin:login", request)


def _show(refusal: BillingError, form: forms.Form) -> None:
    sentences = getattr(refusal, "errors", {}) or {}
    (name,) = form.fields
    form.add_error(name, sentences.get(name) or refusal.detail)


def _reason(refusal: BillingError) -> str:
    return refusal.reason if isinstance(refusal, AuthRefused) else refusal.code


def _next(request: HttpRequest) -> str:
    given = request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME, "")
    return given if is_page(given) else ""


def _address(name: str, request: HttpRequest, **query: str) -> str:
    destination = _next(request)
    query |= {REDIRECT_FIELD_NAME: destination} if destination else {}
    return f"{reverse(name)}?{urlencode(query)}" if query else reverse(name)


def _go(name: str, request: HttpRequest) -> HttpResponseRedirect:
    return HttpResponseRedirect(_address(name, request))


def _page(request: HttpRequest, template: str, context: dict[str, Any]) -> TemplateResponse:
    return TemplateResponse(request, template, {**admin.site.each_context(request), **context})
