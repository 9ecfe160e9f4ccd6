"""What a text may not hold to be shown on a line, or to be given to a program."""

from typing import Final

NO_NUL: Final = r"^[^\x00]*$"
"""Pattern of what an operating system takes as an argument, a variable's value or a path."""


def printable(text: str) -> str:
    """The text on one line, with everything that could steer a terminal written as an escape."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def has_half_character(text: str) -> bool:
    """Whether it holds half a surrogate pair, which no UTF-8 can say."""
    return any("\ud800" <= character <= "\udfff" for character in text)


def find_program_flaw(text: str) -> str | None:
    """What keeps a text from being an argument, a variable's value or a path: ``what is wrong; what to do``."""
    if has_half_character(text):
        return "holds half a character; write it without lone surrogates"
    if "\0" in text:
        return "holds a NUL character; remove it"
    return None
