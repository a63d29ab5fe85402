"""Second factors: authenticator app, passkeys, recovery codes; and the history of an account's log-ins. Knows no pages."""

from webui.factors.book import Factors, Safe
from webui.factors.letters import AccountLetters
from webui.factors.log_ins import LogIns, Origin, Outcome
from webui.factors.passkey_book import Passkeys
from webui.factors.passkeys import RelyingParty
from webui.factors.records import Standing

__all__ = ["AccountLetters", "Factors", "LogIns", "Origin", "Outcome", "Passkeys", "RelyingParty", "Safe", "Standing"]
