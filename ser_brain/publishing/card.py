"""The card of a model folder: README.md, its pictures and the hub's files of results."""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

import jinja2
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from ser_brain.core.files import atomic_path, write_text
from ser_brain.core.tables import Table, cell_text, to_markdown, value_text
from ser_brain.inference.onnx import ONNX
from ser_brain.inference.transformers_layout import why_not
from ser_brain.publishing import card_text
from ser_brain.publishing.card_facts import (
    CLIPS,
    MEANING,
    SPEAKERS,
    UNKNOWN,
    CardFacts,
    Recipe,
    language_name,
    reported,
)
from ser_brain.publishing.card_metadata import (
    OTHER,
    metadata,
    require_licence,
    write_eval_results,
)
from ser_brain.publishing.card_text import limits
from ser_brain.publishing.speechbrain_export import why_no_speechbrain
from ser_brain.reporting.html import SAYS_NOTHING, TEMPLATES, subtitle
from ser_brain.reporting.plots.classification import confusion
from ser_brain.reporting.report_data import corpora
from ser_brain.reporting.report_tables import metric_title

SPECIAL = re.compile(r"([\\`*_\[\]<>|$&#!~])")


def fill(template: str, **content: object) -> str:
    """Fill a Markdown template of ``templates/``; all text that comes from data is escaped.

    A name that the template uses and the content lacks is an error.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        finalize=_finalised,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        code=code, block=block, table=_table, language_name=language_name
    )
    environment.globals.update(says_nothing=SAYS_NOTHING)
    return environment.get_template(template).render(**content)


def literal(text: str) -> str:
    """Text on one line that Markdown shows as it is.

    Examples
    --------
    >>> print(literal("a|b [c](d) <e>"))
    a\\|b \\[c\\](d) \\<e\\>
    """
    return " ".join(SPECIAL.sub(r"\\\1", text).split())


def code(text: str) -> Markup:
    """Text as a code span.

    Examples
    --------
    >>> print(code("a`b"))
    `` a`b ``
    """
    fence = "`" * (_longest_run(text) + 1)
    space = " " if "`" in text else ""
    return Markup(f"{fence}{space}{' '.join(text.split())}{space}{fence}")


def block(text: str, language: str = "") -> Markup:
    """Text as a block of code."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return Markup(f"{fence}{language}\n{text}\n{fence}")


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _table(table: Table) -> Markup:
    # A name in brackets before one in parentheses would be a link.
    return Markup(to_markdown(table).strip().replace("](", "]\\("))


def _finalised(value: object) -> object:
    if isinstance(value, Markup) or not isinstance(value, str | float):
        return value
    return Markup(literal(value_text(value)))


CARD = "README.md"  # of a model folder

# The one piece of HTML that a card is made with: a line break within a table's cell.
ALLOWED_HTML = ("<br>",)


@dataclass
class MarkdownParts:
    """See :func:`parts_of_markdown`.

    Attributes
    ----------
    sections : dict
        Heading -> number of blocks of text under it.
    pictures, links : list of str
        Addresses.
    html : list of str
        Tags, as they stand.
    prose : list of str
        Text that is no code.
    tables : list of list of list of str
        Rows of each, the head first; the text of their cells, in which a break is a new line.
    """

    sections: dict[str, int] = field(default_factory=dict)
    pictures: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    html: list[str] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)
    tables: list[list[list[str]]] = field(default_factory=list)


def parts_of_markdown(text: str) -> MarkdownParts:
    """Read a Markdown text as the hub does: CommonMark with tables."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    parts, title, in_heading = MarkdownParts(tables=_tables(tokens)), None, False
    for token in tokens:
        if token.type == "heading_open":
            in_heading = True
        elif token.type == "heading_close":
            in_heading = False
        elif token.type == "inline":
            if in_heading:
                title = token.content
                parts.sections.setdefault(title, 0)
            elif title is not None:
                parts.sections[title] += 1
            for child in token.children or ():
                _add(parts, child)
        elif token.type == "html_block":
            parts.html.append(token.content.strip())
    return parts


def _tables(tokens: Sequence[Token]) -> list[list[list[str]]]:
    tables = []
    for before, token in zip(tokens, tokens[1:], strict=False):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif before.type in ("th_open", "td_open"):
            cell = [t.content for t in token.children or ()]
            tables[-1][-1].append("".join("\n" if t in ALLOWED_HTML else t for t in cell))
    return tables


def _add(parts: MarkdownParts, token: Token) -> None:
    if token.type == "text":
        parts.prose.append(token.content)
    elif token.type == "image":
        parts.pictures.append(unquote(token.attrGet("src")))
    elif token.type == "link_open":
        parts.links.append(unquote(token.attrGet("href")))
    elif token.type == "html_inline" and token.content not in ALLOWED_HTML:
        parts.html.append(token.content)


FOLDER = "figures"
ROUND = str.maketrans("[]", "()")


@dataclass(frozen=True)
class Picture:
    """A picture as the card shows it.

    Attributes
    ----------
    address : Markup
        Relative to the card.
    alt : str
        Its content in words.
    """

    address: Markup
    alt: str


def draw_confusions(folder: Path, facts: CardFacts, test_sets: list[str]) -> list[Picture]:
    """Draw the confusion matrix of each of some test sets that have labelled clips.

    Written as PNG, which every page of the hub shows.
    """
    drawn = []
    for name in test_sets:
        evaluation = facts.test_sets[name]
        result = evaluation["classification"]
        if result and result["n"]:
            drawn.append(_draw(folder, name, evaluation, facts.heard[name] == CLIPS))
    return drawn


def _draw(folder: Path, name: str, evaluation: Mapping, trained_on: bool) -> Picture:
    result = evaluation["classification"]
    mark = "NOT A TEST, " if trained_on else ""
    title = f"{mark}Confusion on {name} (n = {result['n']:,})"
    words = subtitle([evaluation])
    path = folder / FOLDER / f"confusion_{name}.png"
    with tempfile.TemporaryDirectory() as temporary:
        stem = Path(temporary) / "confusion"
        confusion(stem, {name: result["confusion"]}, evaluation["emotions"], title, words)
        with atomic_path(path) as target:
            target.write_bytes(Path(f"{stem}.png").read_bytes())
    recalls = ", ".join(
        f"{line['emotion']} {value_text(line['recall'])}" for line in result["per_class"]
    )
    # Brackets would end the words where a reader looks for the first one.
    alt = f"Confusion matrix on {name}. Recall: {recalls}.".translate(ROUND)
    return Picture(Markup(quote(f"{FOLDER}/{path.name}")), alt)


SHOWN = 3
NOT_MEASURED = "Not measured"
REMARKS = {SPEAKERS: "speakers heard in training", UNKNOWN: "overlap with training not checked"}


def headline(facts: CardFacts) -> list[str]:
    """One line for each of the first test sets, those that are training data left out."""
    clean = [name for name in facts.test_sets if facts.heard[name] != CLIPS]
    lines = [_line(name, facts.test_sets[name], facts.heard[name]) for name in clean[:SHOWN]]
    lines = [line for line in lines if line]
    if not lines:
        lines = [f"{NOT_MEASURED} on speech that it was not trained on."]
    if len(clean) > SHOWN:
        lines.append(f"{len(clean) - SHOWN:,} more test sets: see Results.")
    return [*lines, *filter(None, map(_of_recipe, facts.recipes))]


def _of_recipe(recipe: Recipe) -> str | None:
    """One line for further results: their first test set."""
    name = next((n for n in recipe.test_sets if recipe.heard[n] != CLIPS), None)
    if name is None:
        return None
    line = _line(name, recipe.test_sets[name], recipe.heard[name])
    what = f"{len(recipe.parts)} {recipe.noun}" if len(recipe.parts) > 1 else "another run"
    return line and f"The recipe ({what}), {line}"


def _line(name: str, evaluation: Mapping, heard: str) -> str | None:
    found, result = reported(evaluation), evaluation["classification"]
    # A multi-objective model on a set without class labels has a result of classes, but empty.
    shown = ["uar"] if "uar" in found else ["valence ccc", "arousal ccc"]
    values = [
        f"{metric_title(metric)} {cell_text(found[metric])}"
        for metric in shown
        if metric in found
    ]
    if not values:
        return None
    counts = evaluation["counts"]
    remarks = [f"chance {1 / result['classes_present']:.3f}"] if "uar" in found else []
    remarks.append(f"{counts['utterances']:,} clips")
    if counts["speakers"]:
        remarks.append(f"{counts['speakers']:,} speakers")
    if evaluation["synthetic"]:
        remarks.append("SYNTHETIC")
    if heard in REMARKS:
        remarks.append(REMARKS[heard])
    return f"{name}: {', '.join(values)} ({', '.join(remarks)})"


# A path that says where something lies on a machine; names below the project's own folder, such
# as hparams/classification.yaml, say no more than the project does.
PLACE = re.compile(r"(?<![\w.])(?:~|\.{1,2})?/(?:[^\s/,\]}'\"]*/)*")


def published_command(record: Mapping) -> str | None:
    """The command of a run, with folders cut to their last name.

    Examples
    --------
    >>> published_command({"command": "python /home/me/train.py a/b.yaml --data_folder=~/c/d"})
    'python .../train.py a/b.yaml --data_folder=.../d'
    """
    command = record.get("command")
    if not command:
        return None
    try:
        words = shlex.split(command)
    except ValueError:  # Not written by a shell's rules: cut as it stands.
        return PLACE.sub(".../", command)
    return shlex.join(PLACE.sub(".../", word) for word in words)


# A picture and sentences of its own have the first test sets; the tables have all.
IN_DETAIL = 6


def write_card(folder: Path, facts: CardFacts, licence: str = OTHER) -> None:
    """Write ``README.md``, ``figures/`` and ``.eval_results/``.

    Parameters
    ----------
    folder : Path
        A model folder whose other files are written.
    facts : CardFacts
    licence : str
        Of the model, as the hub names it.

    Raises
    ------
    SERError
        If the licence has no such name, or a file cannot be written.
    """
    require_licence(licence)
    onnx = (folder / ONNX).is_file()
    detailed = list(facts.test_sets)[:IN_DETAIL]
    write_eval_results(folder, facts)
    config = facts.config
    known = corpora({"run": facts.splits})
    trained_on = corpora({"run": {"corpora": facts.corpora}})
    text = fill(
        "model_card.md.j2",
        config=config,
        card=config.card,
        facts=facts,
        licence=licence,
        chosen=licence != OTHER,
        onnx=onnx,
        languages=", ".join(map(language_name, facts.languages)) or "not stated",
        headline=headline(facts),
        marked={
            name: MEANING[heard] for name, heard in facts.heard.items() if heard in MEANING
        },
        results=card_text.results(facts),
        recipes=[(found, card_text.recipe(found)) for found in facts.recipes],
        pictures=draw_confusions(folder, facts, detailed),
        left_out=len(facts.test_sets) - len(detailed),
        gaps=card_text.gaps(facts.test_sets),
        calibration=card_text.calibration(facts.test_sets),
        limits=limits(facts, detailed),
        trained_on=trained_on,
        only_tested_on=[corpus for corpus in known if corpus not in trained_on],
        command=published_command(facts.record),
        versions=card_text.versions(facts),
        why_not_transformers=why_not(config),
        why_no_speechbrain=why_no_speechbrain(config),
    )
    header = metadata(facts, licence, onnx).to_yaml()
    write_text(folder / CARD, f"---\n{header}\n---\n\n{text}")
