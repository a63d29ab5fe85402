"""Who may log in: customers by office code, user and password; staff by user and password."""

from webui.accounts.book import Accounts
from webui.accounts.choosing import Forgotten, PasswordLinks
from webui.accounts.letters import UserLetters
from webui.accounts.persons import (
    AccountState,
    Credentials,
    Door,
    NewAccount,
    Person,
    Right,
    Role,
    contact_of,
    normal,
    objections,
    person_of,
    record,
    subject_of,
)
from webui.accounts.sources import network_of
from webui.accounts.users import NewUser, User, Users

__all__ = [
    "AccountState",
    "Accounts",
    "Credentials",
    "Door",
    "Forgotten",
    "NewAccount",
    "NewUser",
    "PasswordLinks",
    "Person",
    "Right",
    "Role",
    "User",
    "UserLetters",
    "Users",
    "contact_of",
    "network_of",
    "normal",
    "objections",
    "person_of",
    "record",
    "subject_of",
]
