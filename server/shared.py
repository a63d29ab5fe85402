"""What `tegata serve` loads before it forks its doors, so that it is loaded once and in memory once.

It is code and knows nothing: no secret, no key, no connection, no thread. What a door may use it opens itself, after the fork
(docs/decisions/0050-doors-are-forked-from-the-supervisor.md).
"""

import gc
import importlib

from sqlalchemy import make_url
from sqlalchemy.orm import configure_mappers

from server import loading

# What only the jobs load is not here: they read and lint what strangers sent, by libraries that no door carries.
SHARED = (
    "server.batch_worker",
    "server.express_worker",
    "server.apps.portal",
    "server.apps.center",
    "server.apps.retrieval",
    "server.apps.terminals",
    "server.apps.status",
)


def load(database_url: str) -> None:
    """Load the code of the doors and the database's driver; the collector of rubbish leaves it alone, so that it stays shared."""
    with loading.undisturbed():
        for module in SHARED:
            importlib.import_module(module)
        loading.complete()
        make_url(database_url).get_dialect().import_dbapi()
        configure_mappers()
    gc.unfreeze()
    gc.collect()
    gc.freeze()
