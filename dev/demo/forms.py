"""HTML forms, read and filled in as a browser does without JavaScript."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

Attributes = dict[str, str | None]


@dataclass
class Form:
    """One form of a page.

    Args:
        action: The absolute address it is sent to.
        fields: Name and current value of every field that would be sent.
        passwords: Names of the password fields, in order.
        buttons: The text of its buttons, each with the field it adds.
    """

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    passwords: list[str] = field(default_factory=list)
    buttons: dict[str, dict[str, str]] = field(default_factory=dict)

    def filled(self, values: dict[str, str], *, button: str = "") -> dict[str, str]:
        """What is sent when these values are typed in and the button is pressed.

        Args:
            values: Typed values by field name.
            button: The text of the button; if empty, Enter is pressed.
        """
        return self.fields | values | self.buttons.get(button, {})


@dataclass
class Page:
    """The forms and links of one page."""

    forms: list[Form]
    links: list[str]
    messages: list[str]

    def form(self, *, field_name: str = "", button: str = "") -> Form | None:
        """The first form that has the field, or the button with this text.

        Args:
            field_name: A field it must have.
            button: The text of one of its buttons.
        """
        for form in self.forms:
            if (field_name and field_name in form.fields) or (button and button in form.buttons):
                return form
        return None

    def link(self, *, ending: str = "", holding: str = "") -> str | None:
        """The first link whose address has this ending, or contains this text.

        Args:
            ending: How its path ends.
            holding: What its address contains.
        """
        for link in self.links:
            if (ending and link.endswith(ending)) or (holding and holding in link):
                return link
        return None


def read(html: str, *, address: str) -> Page:
    """Find the forms and links of a page.

    Args:
        html: The page.
        address: Its address, the base of relative ones.
    """
    reader = _Reader(address)
    reader.feed(html)
    return Page(forms=reader.forms, links=reader.links, messages=reader.messages)


class _Reader(HTMLParser):
    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.messages: list[str] = []
        self._button: Attributes | None = None
        self._words = ""
        self._is_message = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        classes = (attributes.get("class") or "").split()
        if tag == "a" and attributes.get("href"):
            self.links.append(urljoin(self.address, attributes["href"] or ""))
        elif tag == "form":
            self.forms.append(Form(urljoin(self.address, attributes.get("action") or "")))
        elif tag in {"input", "textarea", "select"} and self.forms:
            self._input(attributes)
        elif tag == "button":
            self._button, self._words = attributes, ""
        elif tag in {"ul", "p"} and {"errorlist", "errornote"} & set(classes):
            self._is_message = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "button" and self._button is not None:
            self._add_button(self._button, self._words)
            self._button = None
        elif tag in {"ul", "p"}:
            self._is_message = False

    def handle_data(self, data: str) -> None:
        self._words += data
        if self._is_message and data.strip():
            self.messages.append(" ".join(data.split()))

    def _input(self, attributes: Attributes) -> None:
        name, kind = attributes.get("name"), attributes.get("type") or "text"
        if kind == "submit":
            self._add_button(attributes, attributes.get("value") or "")
        elif name and (kind not in {"checkbox", "radio"} or "checked" in attributes):
            self.forms[-1].fields[name] = attributes.get("value") or (
                "on" if kind == "checkbox" else ""
            )
            if kind == "password":
                self.forms[-1].passwords.append(name)

    def _add_button(self, attributes: Attributes, words: str) -> None:
        if self.forms:
            name = attributes.get("name")
            added = {name: attributes.get("value") or ""} if name else {}
            self.forms[-1].buttons[" ".join(words.split())] = added
