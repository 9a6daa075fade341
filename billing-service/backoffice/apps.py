"""Registers the pages of staff, and the site they are on, with Django."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class BackofficeConfig(AppConfig):
    """The pages of staff."""

    name = "backoffice"
    verbose_name = "Back office"


class BillingAdminConfig(AdminConfig):
    """The admin app with `BillingAdminSite` as `admin.site`."""

    default_site = "backoffice.admin_site.BillingAdminSite"
