"""Paths of this app."""

from django.urls import path

from webhooks.views import receive

urlpatterns = [
    path("stripe-webhook", receive),
    path("stripe-webhook/", receive, name="stripe-webhook"),
]
