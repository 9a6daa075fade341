"""The one indexed row a status request reads, and the queue of the enqueue-only mode."""

from django.conf import settings
from django.db import models


class Subscription(models.Model):
    """A user's subscription with the seven fields of our status answer."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    status = models.CharField(max_length=20)
    payment_gateway_status = models.CharField(max_length=20)
    current_period_start = models.DateTimeField()
    current_period_end = models.DateTimeField()
    id_reference = models.CharField(max_length=255)
    price_reference = models.CharField(max_length=255)
    purchase_date = models.DateField()

    class Meta:
        app_label = "peers"


class WebhookJob(models.Model):
    """Work left for later: the cheapest durable queue, one row."""

    trigger_id = models.BigIntegerField()

    class Meta:
        app_label = "peers"
