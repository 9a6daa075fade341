"""`/account/mail`: the mails, in `local` without a mail server only. Anyone can read them there."""

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import HTMLResponse

from auth_service.mail import outbox
from auth_service.mail.rendering import Composer
from auth_service.mail_worker import Links
from auth_service.routes import page_rendering
from auth_service.routes.dependencies import app_state
from auth_service.users.notices import as_text

_MOST = 50


def install(app: FastAPI, *, composer: Composer, links: Links) -> None:
    """Add the page to an application.

    Args:
        composer: Writes the mails as a mail server would get them.
        links: Their links, which work: this page is for development.
    """
    router = APIRouter(include_in_schema=False)

    @router.get("/account/mail")
    def mails(request: Request) -> HTMLResponse:
        state = app_state(request)
        shown = []
        with state.autocommit.connect() as connection:
            for mail in outbox.latest(connection, limit=_MOST):
                link = links.of(connection, mail, now=state.clock())
                try:
                    message = composer.compose(mail, link=link)
                except ValueError:
                    # To an address that is none; the worker gives such a mail up.
                    continue
                body = message.get_body(("plain",))
                shown.append(
                    {
                        "subject": message["Subject"],
                        "recipient": mail.recipient,
                        "at": as_text(mail.created_at),
                        "is_sent": mail.sent_at is not None,
                        "text": body.get_content() if body else "",
                        "link": link,
                        "had_link": mail.token_id is not None,
                    }
                )
        return page_rendering.render(
            "mails.html", heading="Mails", app_name=composer.app_name, is_wide=True, mails=shown
        )

    app.include_router(router)
