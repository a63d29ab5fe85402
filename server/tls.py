"""TLS of the doors: 1.2 and 1.3 only, one context per process, replaced when the certificate's file is.

A context per connection would cost a chain's parsing each time and lose session resumption.
"""

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

# OpenSSL's X509_V_FLAG_NO_CHECK_TIME, for which Python's ssl has no name.
NO_CHECK_TIME = 0x200000


@dataclass(frozen=True)
class Credentials:
    """A door's chain (leaf first) and key, and the CA certificates whose holders it knows (`clients`, or nobody).

    All PEM files. `passphrase` opens the key.
    """

    chain: Path
    key: Path
    passphrase: Callable[[], bytes] | None = field(default=None, repr=False)
    clients: Path | None = None

    def stamp(self) -> tuple[int, ...]:
        """Return what changes when one of the files is replaced."""
        files = [self.chain, self.key] + ([self.clients] if self.clients else [])
        return tuple(part for file in files for part in (file.stat().st_mtime_ns, file.stat().st_ino))

    def context(self) -> ssl.SSLContext:
        """Make a server's context."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # Forward secrecy and authenticated encryption for those who still speak 1.2; 1.3 knows nothing else.
        context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_COMPRESSION
        context.load_cert_chain(self.chain, self.key, self.passphrase)
        if self.clients is not None:
            # Asked for without insisting: what needs a certificate answers E103 without one. Time is judged by us, from
            # the database, so that an expired certificate of ours gets an answer that says so.
            context.load_verify_locations(self.clients)
            context.verify_mode = ssl.CERT_OPTIONAL
            context.verify_flags |= NO_CHECK_TIME
        return context


class CachedContext:
    """The context of a process; a replaced file is served from the next connection on."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._lock = threading.Lock()
        self._stamp: tuple[int, ...] = ()
        self._context: ssl.SSLContext | None = None

    def current(self) -> ssl.SSLContext:
        """Return the context of the files as they are now.

        While files are being replaced one after the other they may not fit together: the old context serves on.
        """
        stamp = self._credentials.stamp()
        with self._lock:
            if self._context is None:
                self._context, self._stamp = self._credentials.context(), stamp
            elif stamp != self._stamp:
                try:
                    self._context, self._stamp = self._credentials.context(), stamp
                except (ssl.SSLError, OSError):
                    return self._context
            return self._context
