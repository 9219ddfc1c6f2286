"""Pages: self-contained HTML from the project's templates."""

from __future__ import annotations

from pathlib import Path

import jinja2

from ser_brain.tables import NOTHING, interval_text, is_number, value_text

TEMPLATES = Path(__file__).parent / "templates"
SAYS_NOTHING = "it says nothing about accuracy on people."


def render(template: str, **content: object) -> str:
    """Fill a template; everything that comes from data is escaped.

    Parameters
    ----------
    template : str
        A file of ``templates/`` that extends ``base.html``.
    **content
        What the template names; a name it misses is an error.
    """
    return _environment().get_template(template).render(**content)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        value_text=value_text,
        interval_text=interval_text,
        is_number=is_number,
        nothing=NOTHING,
        says_nothing=SAYS_NOTHING,
    )
    environment.filters["duration"] = _duration
    return environment


def _duration(seconds: float | None) -> str:
    """Seconds in words a person uses.

    Examples
    --------
    >>> _duration(75), _duration(4000.0), _duration(None)
    ('1 min 15 s', '1 h 6 min', '–')
    """
    if seconds is None:
        return NOTHING
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{seconds:.1f} s"
    return (
        f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"
    )
