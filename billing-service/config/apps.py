"""Installs our admin site in place of Django's default one."""

from django.contrib.admin.apps import AdminConfig


class BillingAdminConfig(AdminConfig):
    """The admin app with `BillingAdminSite` as `admin.site`."""

    default_site = "config.admin_site.BillingAdminSite"
