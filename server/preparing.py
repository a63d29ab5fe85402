"""What prepares codes: for the center, and for the demo."""

from enrollment.preparation import CodePreparation
from kernel.database import Database
from server.corresponding import letters_of
from server.custody import Custody
from server.settings import Settings
from server.wiring import clock_of


def preparation_of(settings: Settings, database: Database) -> CodePreparation:
    """Return the use cases of preparation, with the public half of the sealing key only."""
    custody = Custody(settings)
    return CodePreparation(database, clock_of(settings), custody.hasher(), custody.sealer(), letters_of(settings))
