"""The admin site: its title, its own pages and the order of its sections."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.contrib.admin import AdminSite
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, path, resolve, reverse
from django.utils.module_loading import import_string

from users.login_steps import EnrolmentRequired, SecondFactorRequired

SECTION_ORDER = ("users", "subscriptions", "webhooks", "backoffice", "auth", "procrastinate")


class BillingAdminSite(AdminSite):
    """Django's admin with our names and the sections staff use first on top."""

    site_title = "Stripe Assignment"
    site_header = "Stripe Assignment administration"
    index_title = "Administration"
    site_url = "/api/docs/"

    @property
    def login_form(self) -> Any:  # type: ignore[override]  # loaded when models are ready
        """The form that says so when auth-service cannot be reached."""
        return import_string("backoffice.users.forms.StaffLoginForm")

    def get_urls(self) -> list[Any]:
        """Add the pages that belong to no single model."""
        return [
            path(
                "dashboard/",
                self.admin_view(_lazily("backoffice.dashboard.show")),
                name="dashboard",
            ),
            path(
                "timeline/<uuid:user_id>/",
                self.admin_view(_lazily("backoffice.timeline.show")),
                name="timeline",
            ),
            path(
                "login/second-factor/",
                _lazily("backoffice.second_factor.complete"),
                name="second_factor",
            ),
            path(
                "login/second-factor/set-up/",
                _lazily("backoffice.second_factor.enrol"),
                name="second_factor_enrolment",
            ),
            *super().get_urls(),
        ]

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the page that was asked for before the log-in; without one, the home page."""
        for name in ("GET", "POST"):
            fields = getattr(request, name)
            if not is_page(fields.get(REDIRECT_FIELD_NAME, "")):
                fields = fields.copy()
                fields.pop(REDIRECT_FIELD_NAME, None)
                setattr(request, name, fields)
        try:
            return super().login(request, extra_context)
        except SecondFactorRequired as required:
            return _lazily("backoffice.second_factor.ask_for_code")(request, required)
        except EnrolmentRequired as needed:
            return _lazily("backoffice.second_factor.ask_to_enrol")(request, needed)

    def password_change(  # type: ignore[override]  # a redirect follows, not Django's template
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Change one's own password, at auth-service."""
        return _lazily("backoffice.users.password.change_own")(request)

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        """List the sections in the order staff need them."""
        sections = super().get_app_list(request, app_label)
        return sorted(sections, key=lambda section: _position(section["app_label"]))


def _lazily(view: str) -> Callable[..., HttpResponse]:
    """Return a view that imports its module on the first request, when models are loaded."""

    def answer(request: HttpRequest, *positional: Any, **arguments: Any) -> HttpResponse:
        response: HttpResponse = import_string(view)(request, *positional, **arguments)
        return response

    return answer


def is_page(address: str) -> bool:
    """Return whether an address is a page of the admin; what is no page has no name."""
    if not (address.startswith(reverse("admin:index")) and address.isprintable()):
        return False
    try:
        # To log out takes a form.
        return resolve(urlsplit(address).path).url_name not in (None, "logout")
    except (Resolver404, ValueError):
        return False


def _position(app_label: str) -> int:
    return SECTION_ORDER.index(app_label) if app_label in SECTION_ORDER else len(SECTION_ORDER)
