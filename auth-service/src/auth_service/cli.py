"""`auth-service`: the commands, gathered."""

import click

from auth_service import __version__
from auth_service.commands.doctor import doctor
from auth_service.commands.keys import keys
from auth_service.commands.mail import mail
from auth_service.commands.migrate import migrate
from auth_service.commands.serve import serve
from auth_service.commands.users import users
from auth_service.commands.worker import worker


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="auth-service", message="%(prog)s %(version)s")
def main() -> None:
    """Issue tokens and keep users, passwords and signing keys."""


for command in (migrate, serve, worker, users, mail, keys, doctor):
    main.add_command(command)
