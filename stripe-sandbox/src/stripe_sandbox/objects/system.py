"""Events, the endpoints they are sent to, and test clocks."""

from typing import NotRequired, TypedDict

from stripe_sandbox.objects.common import Json, Metadata


class EventData(TypedDict):
    object: Json
    previous_attributes: NotRequired[Json]


class Event(TypedDict):
    id: str
    object: str
    api_version: str | None
    created: int
    data: EventData
    livemode: bool
    pending_webhooks: int
    request: Json
    type: str


class WebhookEndpoint(TypedDict):
    id: str
    object: str
    api_version: str | None
    created: int
    description: str | None
    enabled_events: list[str]
    livemode: bool
    metadata: Metadata
    status: str
    url: str


class TestClock(TypedDict):
    id: str
    object: str
    created: int
    deletes_after: int
    frozen_time: int
    livemode: bool
    name: str | None
    status: str
    status_details: Json
