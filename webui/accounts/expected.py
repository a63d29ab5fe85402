"""What strangers know of an account, and try as its password."""

from sqlalchemy.orm import Session

from registry import offices
from webui.accounts.letters import UserLetters


def names(session: Session, office_code: str, *own: str, letters: UserLetters | None = None) -> tuple[str, ...]:
    """Return an account's office with its registered names, its owner's `own`, and the service's name in the mails."""
    office = offices.get(session, office_code) if office_code else None
    registered = (office.name, office.company_name, office.company.latin_name or "") if office else ()
    service = (letters.letters.service_ja, letters.letters.service_en) if letters else ()
    return (office_code, *own, *registered, *service)
