"""How the command loads code: without pauses, and what few ask for only when somebody does.

Of a start nearly all is loading. So the collector of rubbish rests meanwhile: it would walk again and again through what is never
given up. And some modules are loaded when they are first used (`DEFERRED`). Their `import` statements stand where they always
stand, at the head of the modules that use them; what such a statement gets is a stand-in, which loads the module when somebody
takes a name out of it. So who imports one of these writes `from asn1crypto import cms` and `cms.ContentInfo`, in functions and in
quoted types: `tests/server/test_loading.py` starts each door and finds those that were loaded too soon.

`tegata serve` loads everything once for all doors (`server.shared`).
"""

import gc
import importlib
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

# Each is large, or brings much along, and most answers do without it.
DEFERRED = (
    "asn1crypto.algos",
    "asn1crypto.cms",
    "asn1crypto.core",
    "asn1crypto.csr",
    "asn1crypto.tsp",
    "asn1crypto.x509",
    "email_validator",
    "enrollment.protocols.cmp.enrolment",
    "enrollment.protocols.cmp.operations",
    "enrollment.protocols.cmp.senders",
    "enrollment.protocols.cmp.support",
    "enrollment.protocols.scep.cms",
    "enrollment.protocols.scep.messages",
    "icalendar",
    "keys.pkcs11",
    "keys.tokens",
    "pyotp",
    "registry.applications",
    "segno",
    "webauthn",
    "webui.bulletin.shelf",
    "webui.factors.options",
)
# One at a time, whoever comes first; a module that is being loaded may use others that are deferred.
_LOADING = threading.RLock()


class Deferred(ModuleType):
    """Stands for a module until a name is taken out of it, and hands on each name from then on."""

    def __getattr__(self, name: str) -> object:
        """Load the module, if nobody has, and return what it has under a name."""
        # What is looked for in every module, by whoever walks through all of them, says nothing of a use; who asks for its
        # path imports something below it.
        if name.startswith("__") and name != "__path__":
            raise AttributeError(f"module {self.__name__!r} is not loaded, and has no {name!r} yet")
        value = getattr(_loaded(self.__name__), name)
        # The next time it is found here at once.
        setattr(self, name, value)
        return value


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let the collector rest while code is loaded, and leave alone for good what was loaded."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


class _AsLoaded(MetaPathFinder, Loader):
    """Finds what is loaded already: who imports a part of a deferred package lets that be loaded, and with it, mostly, the part.

    Python has looked for the part before, and would load it a second time.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:  # fmt: skip
        """Return where a part is that was loaded meanwhile; nothing of any other module."""
        del path
        if target is not None or fullname not in sys.modules:
            return None
        return ModuleSpec(fullname, self, loader_state=sys.modules[fullname].__spec__)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module as it is."""
        return sys.modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """Put back what the module says of where it comes from, and do nothing else."""
        module.__spec__ = module.__spec__.loader_state if module.__spec__ else None


_AS_LOADED = _AsLoaded()


def defer(names: Iterable[str] = DEFERRED) -> None:
    """Let these modules be loaded when they are first used, those that are not loaded yet."""
    if _AS_LOADED not in sys.meta_path:
        sys.meta_path.insert(0, _AS_LOADED)
    for name in names:
        sys.modules.setdefault(name, Deferred(name))


def complete(names: Iterable[str] = DEFERRED) -> None:
    """Load what was deferred: for a process whose copies shall have it in common."""
    for name in names:
        _loaded(name)


def _loaded(name: str) -> ModuleType:
    with _LOADING:
        if isinstance(sys.modules.get(name), Deferred):
            del sys.modules[name]
        return importlib.import_module(name)
