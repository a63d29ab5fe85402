"""The registry's mails, also to whoever asked: for the doors with accounts, the jobs and the commands."""

from dataclasses import replace

from registry.letters import Letters
from server import mailing
from server.settings import Settings
from webui.accounts import contact_of


def letters_of(settings: Settings) -> Letters:
    """Return what words the registry's mails and knows the address behind an account."""
    return replace(mailing.letters_of(settings), correspondent=contact_of)
