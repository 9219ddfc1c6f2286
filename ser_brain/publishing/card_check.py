"""Check a model folder's card before it is published.

The card may have been edited. The check finds missing metadata, values that cannot be, results
that differ between the metadata, ``.eval_results`` and the text, results on training data among
the tests, missing sections, pictures and links that lead nowhere, HTML and placeholders.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import yaml
from huggingface_hub import EvalResult, ModelCard

from ser_brain.core.errors import SERError
from ser_brain.core.files import read_text
from ser_brain.core.tables import cell_text
from ser_brain.publishing.card import CARD, NOT_MEASURED
from ser_brain.publishing.card_metadata import (
    EVAL_RESULTS,
    RANGES,
    TASK,
    TEST,
    read_eval_results,
)
from ser_brain.publishing.card_tables import FIRST_COLUMN, NOT_A_TEST
from ser_brain.publishing.markdown import parts_of_markdown

# The hub's library fails in any of these ways on metadata of unexpected types.
BAD_METADATA = (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError)
SECTIONS = ("not for", "training data")
PLACEHOLDER = re.compile(
    r"\{\{|\}\}|\{%|\[More Information Needed\]|\b(?:TODO|TBD|FIXME)\b|\bnan\b", re.IGNORECASE
)


def validate(folder: Path) -> None:
    """Check ``README.md``, all it shows, and ``.eval_results`` of a model folder.

    Raises
    ------
    SERError
        Naming every problem.
    """
    found = _problems(folder)
    if found:
        lines = "".join(f"\n  - {problem}" for problem in found)
        count = "a problem" if len(found) == 1 else f"{len(found)} problems"
        raise SERError(f"The model card of {folder} has {count}:{lines}")


def _problems(folder: Path) -> list[str]:
    path = folder / CARD
    if not path.exists():
        return [f"there is no {CARD}; `ser export` writes one"]
    if path.is_symlink() or not path.is_file():
        return [f"{CARD} is not a regular file"]
    try:
        content = read_text(path)
        card = ModelCard(content)
    except BAD_METADATA as error:
        return [f"{CARD} cannot be read: {' '.join(str(error).split())}"]
    if not content.startswith("---"):
        return [f"{CARD} has no metadata (a YAML block between two lines of ---)"]
    found = [*_fields(card), *_results(folder, card), *_contents(folder, card.text)]
    return found or _text_against_index(card)


def _fields(card: ModelCard) -> list[str]:
    required = ("license", "language", "library_name", "pipeline_tag")
    found = [f"the metadata lack {key}" for key in required if not card.data.get(key)]
    if card.data.get("eval_results") is None:
        found.append("the metadata lack model-index")
    elif not card.data.eval_results and NOT_MEASURED.lower() not in card.text.lower():
        found.append(f"model-index is empty, but the card does not say {NOT_MEASURED!r}")
    languages = card.data.get("language") or []
    for language in languages if isinstance(languages, list) else [languages]:
        if not re.fullmatch(r"[a-z]{2,3}", str(language)):
            found.append(f"language {language!r} is not an ISO 639 code such as en or kor")
    tag = card.data.get("pipeline_tag")
    if tag and tag != TASK:
        found.append(f"pipeline_tag is {tag!r}, expected {TASK}")
    return found


def _results(folder: Path, card: ModelCard) -> list[str]:
    """Problems of the numbers in ``model-index`` and ``.eval_results``."""
    found, indexed, published = [], {}, {}
    for result in card.data.get("eval_results") or []:
        where = f"{result.dataset_type}, {result.metric_name or result.metric_type}"
        found += _value(f"model-index ({where})", result)
        if result.dataset_split == TEST:
            indexed[where] = result.metric_value
    results = folder / EVAL_RESULTS
    for path in sorted(results.glob("*")) if results.is_dir() else []:
        if path.is_symlink() or path.suffix != ".yaml":
            found.append(f"{EVAL_RESULTS}/{path.name} is not a regular YAML file")
            continue
        try:
            entries = read_eval_results(path)
        except SERError as error:
            found.append(str(error))
            continue
        published |= {f"{entry.dataset_id}, {entry.task_id}": entry.value for entry in entries}
    for where in indexed.keys() - published.keys():
        found.append(f"{where} is in model-index, but not in {EVAL_RESULTS}")
    for where in published.keys() - indexed.keys():
        found.append(f"{where} is in {EVAL_RESULTS}, but is no test result of model-index")
    for where in indexed.keys() & published.keys():
        if indexed[where] != published[where]:
            found.append(
                f"{where} is {indexed[where]} in model-index and {published[where]} in "
                f"{EVAL_RESULTS}"
            )
    return sorted(found)


def _value(where: str, result: EvalResult) -> list[str]:
    value, (low, high) = result.metric_value, RANGES.get(result.metric_type, (None, None))
    if type(value) not in (int, float) or not math.isfinite(value):
        return [f"{where}: {value!r} is not a finite number"]
    if low is not None and not low <= value <= high:
        return [f"{where}: {value} is not between {low} and {high}"]
    return []


def _contents(folder: Path, text: str) -> list[str]:
    """Problems of the text: sections, pictures, links, HTML, placeholders."""
    parts = parts_of_markdown(text)
    found = [
        f"the section {section!r} is missing or empty"
        for section in SECTIONS
        if not any(section in title.lower() and size for title, size in parts.sections.items())
    ]
    found += [_unreachable("picture", folder, address) for address in parts.pictures]
    found += [
        _unreachable("link", folder, address)
        for address in parts.links
        if not re.match(r"(?:https?://|mailto:|#)", address)
    ]
    found += [f"HTML cannot be checked: {tag}" for tag in parts.html]
    words = PLACEHOLDER.findall(" ".join(parts.prose))
    found += [f"placeholder {word!r}" for word in dict.fromkeys(words)]
    return [problem for problem in found if problem]


def _unreachable(what: str, folder: Path, address: str) -> str | None:
    """Why an address does not lead to a file of the folder; None where it does."""
    if re.match(r"[a-z][a-z0-9+.-]*:|//|/", address, re.IGNORECASE):
        return f"{what} {address} is outside the folder"
    if not address.isprintable():
        return f"{what} {address!r} is not an address"
    name = PurePosixPath(address.partition("#")[0])
    real = (folder / name).resolve()
    linked = any((folder / part).is_symlink() for part in [name, *name.parents][:-1])
    if linked or not real.is_relative_to(folder.resolve()):
        return f"{what} {address} leads out of the folder"
    return None if real.is_file() else f"{what} {address} is missing"


def _text_against_index(card: ModelCard) -> list[str]:
    """Values in the table of results and in the headline that differ from ``model-index``."""
    tables = parts_of_markdown(card.text).tables
    found = []
    for result in card.data.eval_results:
        where = f"{result.dataset_type}, {result.metric_name}"
        try:
            ends = {end: (result.metric_args or {}).get(end) for end in ("low", "high")}
            expected = cell_text({"value": float(result.metric_value), **ends})
        except (AttributeError, TypeError, ValueError):  # YAML may have anything there
            found.append(f"{where}: {result.metric_args!r} is not an interval")
            continue
        shown = [cell for table in tables for cell in _shown(table, result)]
        found += [
            f"{where} is {expected} in model-index and {cell} in the text"
            for cell in dict.fromkeys(shown)
            if cell != expected
        ]
    return found


def _shown(table: Sequence[Sequence[str]], result: EvalResult) -> Iterator[str]:
    """The cells of a table, and the values in its text, that show a result."""
    name, metric = result.dataset_type, str(result.metric_name)
    head, *rows = table
    if head[0] == FIRST_COLUMN and metric in head:
        place = head.index(metric)
        yield from (row[place] for row in rows if row[0].removesuffix(NOT_A_TEST) == name)
    value = r"(-?[\d.]+(?: \[[^\]]*\])?)"  # with its interval
    for line in (line for row in rows for cell in row for line in cell.splitlines()):
        if line.startswith(f"{name}: "):
            yield from re.findall(f"{re.escape(metric)} {value}", line)
