"""What goes wrong with keys; the rooms above translate it. No text ever holds a key, a passphrase or a PIN."""


class KeyTroubleError(Exception):
    """A key is missing, exists already, or cannot be opened or used. The text names the key, never its material."""


class CustodyAwayError(KeyTroubleError):
    """Whoever keeps the key does not answer now: nothing was done, the same may be asked again later."""


class PinRefusedError(CustodyAwayError):
    """The token does not take the PIN that it was given; it counts such attempts and locks itself."""
