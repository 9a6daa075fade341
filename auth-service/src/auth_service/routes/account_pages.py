"""`/account/…`: the pages that the links of mails lead to, for people without a front end.

A GET shows a form and changes nothing, because mail scanners open links. The POST acts. The token
itself protects it from forged requests: only the reader of the mail knows it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel, ValidationError
from starlette.responses import HTMLResponse

from auth_service.errors import AuthError, SignUpClosed, ValidationFailed
from auth_service.routes import accounts, page_rendering
from auth_service.routes.dependencies import app_state
from auth_service.routes.forms import read_form
from auth_service.routes.middleware import StrictRoute
from auth_service.schemas import EmailIn, LinkToken, NewAccount, PasswordReset
from auth_service.users import by_link
from auth_service.users.account_requests import SignUp

_CHECK_YOUR_MAIL = ("Check your mail", "If this address can be used, a mail is on its way.")
_OPEN_THE_LINK = ("Open the link", "Open this page with the link in your mail.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    name: str
    label: str
    type: str
    autocomplete: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """A form, what it does, and what the page says when that is done.

    Attributes:
        model: Checks what was entered.
        act: Does it; an AuthError is shown above the form.
        done: The heading and the sentence afterwards.
    """

    heading: str
    intro: str
    button: str
    fields: tuple[_Field, ...] = ()
    model: type[BaseModel]
    act: Callable[[Request, Any], Awaitable[object]]
    done: tuple[str, str]


_EMAIL = _Field(name="email", label="E-mail address", type="email", autocomplete="email")
_USERNAME = _Field(name="username", label="Username", type="text", autocomplete="username")
_PASSWORD = _Field(name="password", label="Password", type="password", autocomplete="new-password")
_NEW_PASSWORD = _Field(
    name="new_password", label="New password", type="password", autocomplete="new-password"
)
# By the last part of the path: the form that asks for a mail, if there is one.
_WITHOUT_TOKEN = {
    "sign-up": _Form(
        heading="Create your account",
        intro="We send a link to your address. It leads to the next step.",
        button="Send the link",
        fields=(_EMAIL,),
        model=EmailIn,
        act=lambda request, body: accounts.ask_to_sign_up(request, body.email),
        done=_CHECK_YOUR_MAIL,
    ),
    "reset-password": _Form(
        heading="Reset your password",
        intro="We send a link to the address of your account.",
        button="Send the link",
        fields=(_EMAIL,),
        model=EmailIn,
        act=lambda request, body: accounts.ask_to_reset(request, body.email),
        done=_CHECK_YOUR_MAIL,
    ),
}
# And the form that the link of a mail leads to.
_WITH_TOKEN = {
    "sign-up": _Form(
        heading="Create your account",
        intro="Choose a username and a password.",
        button="Create your account",
        fields=(_USERNAME, _PASSWORD),
        model=NewAccount,
        act=lambda request, body: accounts.create_account(
            request, body.token, username=body.username, password=body.password
        ),
        done=("Your account is ready", "You can log in now."),
    ),
    "verify-email": _Form(
        heading="Confirm your address",
        intro="Confirm that you read the mails sent to this address.",
        button="Confirm this address",
        model=LinkToken,
        act=lambda request, body: accounts.use_link(request, by_link.verify_email, body.token),
        done=("Thank you", "Your address is confirmed."),
    ),
    "change-email": _Form(
        heading="Change your address",
        intro="Confirm that this is the new address of your account.",
        button="Confirm this address",
        model=LinkToken,
        act=lambda request, body: accounts.use_link(request, by_link.change_email, body.token),
        done=("Thank you", "Your account has the new address."),
    ),
    "reset-password": _Form(
        heading="Choose a new password",
        intro="This ends all sessions of your account.",
        button="Save the password",
        fields=(_NEW_PASSWORD,),
        model=PasswordReset,
        act=lambda request, body: accounts.replace_password(
            request, body.token, password=body.new_password
        ),
        done=("Your password is changed", "You can log in with it now."),
    ),
}


def install(app: FastAPI) -> None:
    """Add the pages and their style sheet to an application."""
    router = APIRouter(prefix="/account", include_in_schema=False, route_class=StrictRoute)
    for name in _WITH_TOKEN:
        _add(router, name)
    app.include_router(router)
    page_rendering.install_assets(app)


def _add(router: APIRouter, name: str) -> None:
    @router.get(f"/{name}")
    async def get(request: Request) -> HTMLResponse:
        token = request.query_params.get("token", "")
        form = (_WITH_TOKEN if token else _WITHOUT_TOKEN).get(name)
        if form is None:
            return _message(request, *_OPEN_THE_LINK)
        if form is _WITHOUT_TOKEN["sign-up"] and app_state(request).sign_up is not SignUp.OPEN:
            return _message(request, "Sign up", SignUpClosed.detail, status=SignUpClosed.status)
        return _show(request, form, token)

    @router.post(f"/{name}")
    async def post(request: Request) -> HTMLResponse:
        entered = await read_form(request)
        form = (_WITH_TOKEN if entered.get("token") else _WITHOUT_TOKEN).get(name)
        if form is None:
            return _message(request, *_OPEN_THE_LINK, status=400)
        return await _act(request, form, entered)


async def _act(request: Request, form: _Form, entered: dict[str, str]) -> HTMLResponse:
    token = entered.get("token", "")
    # A password is typed again.
    kept = {
        field.name: entered.get(field.name, "") for field in form.fields if field.type != "password"
    }
    try:
        await form.act(request, form.model.model_validate(entered))
    except ValidationError as error:
        return _show(request, form, token, values=kept, errors=_sentences(error), status=400)
    except ValidationFailed as error:
        return _show(request, form, token, values=kept, errors=error.errors, status=error.status)
    except AuthError as error:
        return _show(
            request,
            form,
            token,
            values=kept,
            error=error.detail,
            status=error.status,
            retry_after_seconds=error.retry_after_seconds,
        )
    return _message(request, *form.done)


def _show(request: Request, form: _Form, token: str, **options: Any) -> HTMLResponse:
    shown: dict[str, Any] = {"error": "", "errors": {}, "values": {}, **options}
    return page_rendering.render(
        "form.html",
        heading=form.heading,
        app_name=app_state(request).issuer.app_name,
        form=form,
        # Without the query, which the next address must not contain.
        action=request.url.path,
        token=token,
        **shown,
    )


def _message(request: Request, heading: str, text: str, *, status: int = 200) -> HTMLResponse:
    return page_rendering.render(
        "message.html",
        heading=heading,
        app_name=app_state(request).issuer.app_name,
        text=text,
        status=status,
    )


def _sentences(error: ValidationError) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for entry in error.errors():
        sentence = entry["msg"].removeprefix("Value error, ")
        found.setdefault(str(entry["loc"][0]), []).append(sentence)
    return found
