"""The authenticated read a DRF project would write: one indexed row through a serializer."""

from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import (
    JWTAuthentication,
    JWTStatelessUserAuthentication,
)

from bench.peers.models import Subscription


class SubscriptionSerializer(serializers.ModelSerializer[Subscription]):
    class Meta:
        model = Subscription
        exclude = ("id", "user")


class StatusView(APIView):
    """Authenticates as simplejwt does by default, with a look-up of the user."""

    authentication_classes = (JWTAuthentication,)
    permission_classes = (IsAuthenticated,)

    def get(self, request: Request) -> Response:
        subscription = Subscription.objects.get(user=request.user.pk)
        return Response(SubscriptionSerializer(subscription).data)


class StatelessStatusView(StatusView):
    """Authenticates from the token's claims alone."""

    authentication_classes = (JWTStatelessUserAuthentication,)
