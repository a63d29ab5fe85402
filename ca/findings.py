"""What the checker of certificates finds: one line for each thing that is not as it must be."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Finding:
    """One thing. `code` is stable, `subject` a terminal's or service's name, `serial` may be empty; never a secret in `text`."""

    code: str
    subject: str
    serial: str
    text: str

    def __str__(self) -> str:
        """Return the line that is shown."""
        return f"{self.code} {self.subject}{' ' if self.serial else ''}{self.serial}: {self.text}"


# What one rule says of one certificate: the finding's code and text.
Said = tuple[str, str]
