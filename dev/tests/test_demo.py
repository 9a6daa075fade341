"""What the demo reads from pages and shows of exchanges."""

import io

import pytest
from rich.console import Console

from dev.demo import forms
from dev.demo.show import Show
from dev.demo.visitor import Exchange
from dev.errors import DemoFailed

PAGE = """
<a href="/admin/users/user/add/">Add user</a>
<form action="?next=/admin/" method="post">
  <input type="hidden" name="csrfmiddlewaretoken" value="t0k3n">
  <input name="username"><input type="password" name="password1">
  <input type="password" name="password2"><input type="checkbox" name="is_active" checked>
  <input type="checkbox" name="is_staff">
  <input type="submit" value="Save" name="_save">
</form>
<form action="/hosted/authenticate/pi_1/complete"><button name="outcome" value="ok">
  Complete   authentication </button></form>
<ul class="errorlist"><li>This name is taken.</li></ul>
"""
ADDRESS = "http://localhost:8000/admin/login/"


def test_forms_are_filled_in_as_a_browser_does_it() -> None:
    """Hidden fields and ticked boxes are sent along, empty boxes are not."""
    page = forms.read(PAGE, address=ADDRESS)
    form = page.form(field_name="username")
    assert form is not None

    sent = form.filled({"username": "ada"}, button="Save")

    assert form.action == "http://localhost:8000/admin/login/?next=/admin/"
    assert form.passwords == ["password1", "password2"]
    assert sent == {
        "csrfmiddlewaretoken": "t0k3n",
        "username": "ada",
        "password1": "",
        "password2": "",
        "is_active": "on",
        "_save": "Save",
    }


def test_a_button_is_found_by_its_words() -> None:
    """The demo presses what a person would press."""
    form = forms.read(PAGE, address=ADDRESS).form(button="Complete authentication")
    assert form is not None

    assert form.action == "http://localhost:8000/hosted/authenticate/pi_1/complete"
    assert form.filled({}, button="Complete authentication") == {"outcome": "ok"}


def test_links_and_complaints_are_read() -> None:
    """A form that was refused says why."""
    page = forms.read(PAGE, address=ADDRESS)

    assert page.link(ending="/add/") == "http://localhost:8000/admin/users/user/add/"
    assert page.messages == ["This name is taken."]


def an_exchange(status: int = 200) -> Exchange:
    """An answer full of things that do not belong on a screen."""
    return Exchange(
        method="POST",
        path="/api/token/obtain",
        sent={"username": "ada", "password": "correct horse"},
        status=status,
        reason="OK",
        answer={"access": f"eyJ{'a' * 200}.{'b' * 200}.{'c' * 200}"},
        milliseconds=12.3,
    )


def test_passwords_and_tokens_are_not_shown() -> None:
    """The demo's output can be pasted into a chat."""
    screen = io.StringIO()
    show = Show(Console(file=screen, width=100))

    show.step("Someone obtains tokens")
    show.expect(an_exchange(), 200)
    show.summary("The end.")

    assert "correct horse" not in screen.getvalue()
    assert "b" * 20 not in screen.getvalue()
    assert "200 OK" in screen.getvalue()


def test_the_summary_fits_one_screen() -> None:
    """Fifteen steps, their requests and answers stay in sight together."""
    screen = io.StringIO()
    show = Show(Console(file=screen, width=100))
    for _ in range(15):
        show.step("A step")
        show.expect(an_exchange(), 200)
    before = screen.tell()

    show.summary("The end.")

    assert len(screen.getvalue()[before:].splitlines()) <= 24


def test_a_wrong_answer_ends_the_demo() -> None:
    """A demo that went wrong does not end as if it had gone well."""
    show = Show(Console(file=io.StringIO(), width=100))
    show.step("Subscribing again")

    with pytest.raises(DemoFailed, match="answered 200 instead of 409"):
        show.expect(an_exchange(), 409)
