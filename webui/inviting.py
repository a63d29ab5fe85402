"""The form that invites somebody to an account, at both doors: what was typed, and all that is wrong with it at once."""

from dataclasses import dataclass

import flask

from kernel.errors import Refused
from registry.applicants import check_mail
from registry.faults import FieldFault
from webui.account_words import sentence_of
from webui.accounts import normal, objections
from webui.refusals import SHARED
from webui.sheet import Sheet
from webui.texts import say
from webui.words import fault_sentence

_FIELDS = ("login", "name", "mail")
_FIELD_OF = {"account-exists": "login", "login-malformed": "login", "name-malformed": "name", "mail-malformed": "mail"}


@dataclass(frozen=True)
class Invitation:
    """What was typed, with the faults beside it; `mail` is the address as it is to be kept, empty for none."""

    sheet: Sheet
    mail: str

    def refused(self, refusal: Refused, otherwise: str) -> Sheet:
        """Return the answers with a refusal beside its field, or beside another one where it has none."""
        return self.sheet.with_faults({_FIELD_OF.get(refusal.code, otherwise): sentence_of(refusal)})


def invitation() -> Invitation:
    """Read the form that came."""
    sheet = Sheet({name: flask.request.form.get(name, "").strip() for name in _FIELDS})
    checked = check_mail("mail", sheet["mail"])
    mail = "" if isinstance(checked, FieldFault) else checked
    faults = {_FIELD_OF[one.code]: sentence_of(one) for one in objections(normal(sheet["login"]), sheet["name"], mail)}
    if isinstance(checked, FieldFault):
        faults["mail"] = fault_sentence(checked)
    faults |= {name: say(SHARED["required"].text) for name in _FIELDS if not sheet[name]}
    return Invitation(sheet.with_faults(faults), mail)
