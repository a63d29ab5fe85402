"""Who may log in: customers by office code, user and password; staff by user and password."""

from webui.accounts.book import Accounts
from webui.accounts.persons import (
    AccountState,
    Credentials,
    Door,
    NewAccount,
    Person,
    Right,
    Role,
    person_of,
    record,
    subject_of,
)
from webui.accounts.sources import network_of

__all__ = [
    "AccountState",
    "Accounts",
    "Credentials",
    "Door",
    "NewAccount",
    "Person",
    "Right",
    "Role",
    "network_of",
    "person_of",
    "record",
    "subject_of",
]
