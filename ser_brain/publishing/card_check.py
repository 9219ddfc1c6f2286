"""Checking a model folder's card before it is published."""

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
from ser_brain.publishing.card import CARD, NOT_MEASURED, parts_of_markdown
from ser_brain.publishing.card_metadata import FOLDER, RANGES, TASK, TEST, read_eval_results
from ser_brain.publishing.card_text import FIRST_COLUMN, NOT_A_TEST

VALUE = r"(-?[\d.]+(?: \[[^\]]*\])?)"  # with its interval


def other_values(
    results: Sequence[EvalResult], tables: Sequence[Sequence[Sequence[str]]]
) -> list[str]:
    """What a card's tables say otherwise than ``model-index``, in words.

    Parameters
    ----------
    results : sequence of EvalResult
        Each with a number for a value.
    tables : sequence of sequence of sequence of str
        Cells of the rows of the card's tables, their heads first. Looked at are the table of
        results and the lines that sum it up.
    """
    found = []
    for result in results:
        where = f"{result.dataset_type}, {result.metric_name}"
        try:
            expected = cell_text(_estimate(result))
        except (AttributeError, TypeError, ValueError):  # whatever YAML has in their place
            found.append(f"{where}: {result.metric_args!r} is no interval")
            continue
        shown = [cell for table in tables for cell in _shown(table, result)]
        found += [
            f"{where} is {expected} in model-index, and the text says {cell}"
            for cell in dict.fromkeys(shown)
            if cell != expected
        ]
    return found


def _estimate(result: EvalResult) -> dict:
    args = result.metric_args or {}
    ends = {end: args.get(end) for end in ("low", "high")}
    return {"value": float(result.metric_value), **ends}


def _shown(table: Sequence[Sequence[str]], result: EvalResult) -> Iterator[str]:
    """A result wherever a table shows it."""
    name, metric = result.dataset_type, str(result.metric_name)
    head, *rows = table
    if head[0] == FIRST_COLUMN and metric in head:
        place = head.index(metric)
        yield from (row[place] for row in rows if row[0].removesuffix(NOT_A_TEST) == name)
    lines = [line for row in rows for cell in row for line in cell.splitlines()]
    for line in lines:
        if line.startswith(f"{name}: "):
            yield from re.findall(f"{re.escape(metric)} {VALUE}", line)


REQUIRED = ("license", "language", "library_name", "pipeline_tag")

# Of the hub's library, which takes the metadata for what they should be.
BAD_METADATA = (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError)
SECTIONS = ("not for", "training data")
LANGUAGE = re.compile(r"[a-z]{2,3}")
PLACEHOLDER = re.compile(
    r"\{\{|\}\}|\{%|\[More Information Needed\]|\b(?:TODO|TBD|FIXME)\b|\bnan\b", re.IGNORECASE
)


def validate(folder: Path) -> None:
    """Check ``README.md``, what it shows and ``.eval_results`` of a model folder.

    Raises
    ------
    SERError
        Naming every problem: no card or metadata, a field that is missing, a value that is
        not finite or not within its metric's range, results that differ between the two places
        or from what the text's tables show, results on training data that pass for tests,
        pictures and links that are not in the folder, missing sections, placeholders.
    """
    folder = Path(folder)
    found = problems(folder)
    if found:
        lines = "".join(f"\n  - {problem}" for problem in found)
        count = "a problem" if len(found) == 1 else f"{len(found)} problems"
        raise SERError(f"The model card of {folder} has {count}:{lines}")


def problems(folder: Path) -> list[str]:
    """Everything that is wrong, in words."""
    path = folder / CARD
    if not path.exists():
        return [f"there is no {CARD}; `ser export` writes one"]
    if path.is_symlink() or not path.is_file():
        return [f"{CARD} is no regular file"]
    try:
        content = read_text(path)
        card = ModelCard(content)
    except BAD_METADATA as error:
        return [f"{CARD} cannot be read: {' '.join(str(error).split())}"]
    if not content.startswith("---"):
        return [f"{CARD} has no metadata (a YAML block between two lines of ---)"]
    found = [*_fields(card), *_results(folder, card), *_contents(folder, card.text)]
    return found or other_values(card.data.eval_results, parts_of_markdown(card.text).tables)


def _fields(card: ModelCard) -> list[str]:
    found = [f"the metadata lack {key}" for key in REQUIRED if not card.data.get(key)]
    if card.data.get("eval_results") is None:
        found.append("the metadata lack model-index")
    elif not card.data.eval_results and NOT_MEASURED.lower() not in card.text.lower():
        found.append(f"model-index is empty, but the card does not say {NOT_MEASURED!r}")
    languages = card.data.get("language") or []
    for language in languages if isinstance(languages, list) else [languages]:
        if not LANGUAGE.fullmatch(str(language)):
            found.append(f"language {language!r} is no ISO 639 code such as en or kor")
    tag = card.data.get("pipeline_tag")
    if tag and tag != TASK:
        found.append(f"pipeline_tag is {tag!r}, expected {TASK}")
    return found


def _results(folder: Path, card: ModelCard) -> list[str]:
    """What is wrong with the numbers."""
    found, indexed, published = [], {}, {}
    for result in card.data.get("eval_results") or []:
        where = f"{result.dataset_type}, {result.metric_name or result.metric_type}"
        found += _value(f"model-index ({where})", result)
        if result.dataset_split == TEST:
            indexed[where] = result.metric_value
    files = sorted((folder / FOLDER).glob("*")) if (folder / FOLDER).is_dir() else []
    for path in files:
        if path.is_symlink() or path.suffix != ".yaml":
            found.append(f"{FOLDER}/{path.name} is no YAML file of its own")
            continue
        try:
            entries = read_eval_results(path)
        except SERError as error:
            found.append(str(error))
            continue
        published |= {f"{entry.dataset_id}, {entry.task_id}": entry.value for entry in entries}
    for where in indexed.keys() - published.keys():
        found.append(f"{where} is in model-index, but not in {FOLDER}")
    for where in published.keys() - indexed.keys():
        found.append(f"{where} is in {FOLDER}, but is no test result of model-index")
    for where in indexed.keys() & published.keys():
        if indexed[where] != published[where]:
            found.append(
                f"{where} is {indexed[where]} in model-index and {published[where]} in {FOLDER}"
            )
    return sorted(found)


def _value(where: str, result: EvalResult) -> list[str]:
    value, (low, high) = result.metric_value, RANGES.get(result.metric_type, (None, None))
    if type(value) not in (int, float) or not math.isfinite(value):
        return [f"{where}: {value!r} is no finite number"]
    if low is not None and not low <= value <= high:
        return [f"{where}: {value} is not within {low} and {high}"]
    return []


def _contents(folder: Path, text: str) -> list[str]:
    """What is wrong with the text: sections, pictures, links, placeholders."""
    parts = parts_of_markdown(text)
    found = [
        f"there is no section {section!r}, or nothing in it"
        for section in SECTIONS
        if not any(section in title.lower() and size for title, size in parts.sections.items())
    ]
    found += [_missing("picture", folder, address) for address in parts.pictures]
    found += [_missing("link", folder, address) for address in parts.links]
    found += [f"it has HTML that cannot be checked: {tag}" for tag in parts.html]
    words = PLACEHOLDER.findall(" ".join(parts.prose))
    found += [f"placeholder {word!r}" for word in dict.fromkeys(words)]
    return [problem for problem in found if problem]


def _missing(what: str, folder: Path, address: str) -> str | None:
    """Why an address leads nowhere, or None where it leads to the web or into the folder."""
    if what == "link" and re.match(r"(?:https?://|mailto:|#)", address):
        return None
    if re.match(r"[a-z][a-z0-9+.-]*:|//|/", address, re.IGNORECASE):
        return f"{what} {address} does not lie in the folder"
    if not address.isprintable():
        return f"{what} {address!r} is no address"
    name = PurePosixPath(address.partition("#")[0])
    real = (folder / name).resolve()
    linked = any((folder / part).is_symlink() for part in [name, *name.parents][:-1])
    if linked or not real.is_relative_to(folder.resolve()):
        return f"{what} {address} leads out of the folder"
    return None if real.is_file() else f"{what} {address} is missing"
