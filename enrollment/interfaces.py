"""By which of our interfaces a certificate came to its terminal: what an office is told beside the instant."""

from enum import StrEnum


class Interface(StrEnum):
    """An interface that takes codes, or the current certificate. The values are kept with what came by them."""

    PAGE = "page"
    REST = "rest"
    BATCH = "batch"
    EST = "est"
    SCEP = "scep"
    CMP = "cmp"
