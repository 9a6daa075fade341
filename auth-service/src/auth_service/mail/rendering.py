"""Turns a mail of the outbox into a message: the texts of `mails.toml` as plain text and HTML."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from auth_service.mail.outbox import Mail


@dataclass(frozen=True, slots=True, kw_only=True)
class Composer:
    """Writes messages.

    Attributes:
        sender: Their From.
        app_name: What the product is called in them.
    """

    sender: Address
    app_name: str

    def compose(self, mail: Mail, *, link: str | None) -> EmailMessage:
        """Write the message of a mail. The same mail gives the same message each time.

        Args:
            link: What its button opens; None if it has none.

        Raises:
            ValueError: The recipient is not one address.
        """
        values = {**mail.context, "app_name": self.app_name, "link": link}
        text = mail_texts()[mail.template]
        message = EmailMessage()
        # Parsed as one address: nothing in it can become a second one, or a header of its own.
        message["To"] = Address(addr_spec=mail.recipient)
        message["From"] = self.sender
        message["Subject"] = _TEXT.from_string(text["subject"]).render(values)
        message["Date"] = format_datetime(mail.created_at)
        message["Message-ID"] = f"<{mail.id}@{self.sender.domain}>"
        # RFC 3834 §5: answering machines leave it alone.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(_render(_TEXT, "mail.txt", text, values))
        message.add_alternative(_render(_HTML, "mail.html", text, values), subtype="html")
        return message


@cache
def mail_texts() -> Mapping[str, Mapping[str, str]]:
    """The texts of all mails, by the name of their template."""
    file = resources.files("auth_service.mail") / "templates" / "mails.toml"
    texts: Mapping[str, Mapping[str, str]] = tomllib.loads(file.read_text())
    return texts


def _environment(*, is_html: bool) -> Environment:
    return Environment(
        loader=PackageLoader("auth_service.mail"),
        autoescape=is_html,  # noqa: S701 # plain text has nothing to escape
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


_TEXT, _HTML = _environment(is_html=False), _environment(is_html=True)


def _render(
    environment: Environment, name: str, text: Mapping[str, str], values: Mapping[str, Any]
) -> str:
    parts: dict[str, list[Markup]] = {
        # Rendered with the rules of this environment, so what was typed by people is escaped.
        part: [
            Markup(environment.from_string(paragraph).render(values))  # noqa: S704 # the same
            for paragraph in text.get(part, "").strip().split("\n\n")
            if paragraph
        ]
        for part in ("body", "note")
    }
    page = environment.get_template(name)
    return page.render(**values, button=text.get("button"), **parts)
