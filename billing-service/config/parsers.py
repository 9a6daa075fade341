"""Reads the bodies of REST calls."""

from typing import IO, Any

from django.conf import settings
from rest_framework.parsers import BaseParser

from errors import BodyTooLarge, MalformedBody
from strict_json import parse_object


class StrictJSONParser(BaseParser):
    """Accepts one JSON object with distinct names, of bounded length."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None
    ) -> dict[str, Any]:
        """Parse a body.

        Raises:
            BodyTooLarge: It is longer than DATA_UPLOAD_MAX_MEMORY_SIZE.
            MalformedBody: It is anything else than one JSON object.
        """
        longest = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(longest + 1)
        if len(body) > longest:
            raise BodyTooLarge
        try:
            return parse_object(body)
        except ValueError:
            raise MalformedBody from None
