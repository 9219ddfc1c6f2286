"""The error that a user reads, and text that is safe to print: no secrets, no escape codes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence


class SERError(Exception):
    """A mistake the user can correct: what was found, what was expected, what to do next.

    Commands print it as one line, without a traceback, and exit with code 2.
    """

    def __str__(self) -> str:
        """Only the message: torch prepends the traceback of the DataLoader worker it was in."""
        return super().__str__().rpartition(f"{__name__}.SERError: ")[2].rstrip("\n")


def nearest(name: object, known: Iterable[str]) -> list[str]:
    """All known names: up to three that resemble ``name`` first, the rest in order."""
    known = sorted(known)
    close = difflib.get_close_matches(str(name), known, n=3, cutoff=0.4)
    return close + [other for other in known if other not in close]


def bad_value(what: str, found: object, expected: Iterable[str]) -> SERError:
    """Build the error for a value that is not one of a closed set."""
    known = nearest(found, expected)
    choice = f"expected one of: {', '.join(known)}" if known else "none is available"
    return SERError(f"Bad {what} {found!r}; {choice}.")


def first_few(items: Sequence[str], most: int, between: str = ", ") -> str:
    """The first of many items in words.

    Examples
    --------
    >>> first_few(["a", "b", "c", "d"], 2), first_few(["a", "b"], 2)
    ('a, b and 2 more', 'a, b')
    """
    more = len(items) - most
    return between.join(items[:most]) + (f" and {more:,} more" if more > 0 else "")


def first_line(error: BaseException) -> str:
    """The first line of what another library's error says; its kind if it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


SECRET = "token|password|passwd|passphrase|secret|api[_-]?key|access[_-]?key"

# User and password before a host. A password that is not percent-encoded may hold @, / or ?.
LOGIN = re.compile(
    r"(?<=://)(?:[^/?#\s'\"]{0,200}|[^/?#\s'\":]{0,99}:(?!\d+[/?#])[^\s'\"]{0,200})@"
    r"|(?<![^\s'\"(<=])[^/\s:@'\"(<=]{1,99}:[^/\s'\"]{1,200}@(?=[\w\[])"
)

# In a query string any parameter whose name contains such a word; elsewhere only exact names.
SIGNED = re.compile(
    rf"([?&#;][\w-]*(?:signature|credential|policy|key|auth|sig|pwd|{SECRET})[\w-]*=|"
    rf"\b[\w-]*(?:{SECRET})=)[^&#\s'\"]+",
    re.IGNORECASE,
)
QUOTED = re.compile(rf"(['\"][\w-]*(?:{SECRET})['\"]\s*:\s*['\"])[^'\"]+", re.IGNORECASE)
HEADER = re.compile(
    r"(\bbearer\s+|\bauthorization['\"]?\s*[:=]\s*['\"]?(?:(?:bearer|basic|token)\s+)?"
    r"|\bx-[\w-]*(?:key|token|secret)['\"]?\s*[:=]\s*['\"]?)[^\s'\"]+",
    re.IGNORECASE,
)
TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{16,}")  # a token of the Hugging Face hub

# Terminal control codes, characters that reverse the text direction, and lone surrogates.
UNSEEN = "\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff"
CONTROL = re.compile(f"[{UNSEEN}]")
LINE_CONTROL = re.compile(f"[{UNSEEN}\\n\\t]")


def redacted(text: str) -> str:
    """Replace passwords, tokens and signatures in addresses and headers by ``***``."""
    text = LOGIN.sub("***@", text)
    for secret in (QUOTED, SIGNED, HEADER):
        text = secret.sub(r"\g<1>***", text)
    return TOKEN.sub("***", text)


def shown(text: str) -> str:
    """Make text of any number of lines safe for a terminal or a log: no secret, no escape."""
    return CONTROL.sub(_escaped, redacted(text))


def shown_message(text: str) -> str:
    """Like :func:`shown`, with further lines indented so that none passes for a message."""
    return re.sub(r"\n(?=\S)", "\n  ", shown(text))


def one_line(text: str) -> str:
    """Make a name safe for a line of text: line ends are escaped too."""
    return LINE_CONTROL.sub(_escaped, text)


def shown_json(text: str) -> str:
    """Escape terminal control codes in JSON text, which keeps its content."""
    return CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escaped(found: re.Match) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
