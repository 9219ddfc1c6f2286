"""One page that shows what corpora contain, with its numbers as JSON and CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ser_brain.core.files import write_json, write_text
from ser_brain.core.tables import Table, to_csv, to_text
from ser_brain.data.exploration import NO_LABEL, explore, quantiles
from ser_brain.data.labels import DIMENSIONS
from ser_brain.data.manifest import Manifest
from ser_brain.reporting.html import ReportFigure, downloads, inlined, render, rewritten
from ser_brain.reporting.plots import exploration as plots

Found = Mapping[str, Mapping]  # name of a corpus -> what explore() says of it
NAMED = 20  # groups of copies that the page lists for each corpus


def write_exploration(
    manifests: Sequence[Manifest], folders: Sequence[Path | None], out: Path
) -> tuple[Path, dict]:
    """Write the page and its files into a folder; the second result is ``results.json``."""
    found: dict[str, dict] = {}
    for manifest, folder in zip(manifests, folders, strict=True):
        facts = explore(manifest, folder)
        name = facts["name"] if facts["name"] not in found else str(manifest.path)
        found[name] = facts
    tables = [table for table in _tables(found) if table.rows]
    with rewritten(out) as new:
        for table in tables:
            write_text(new / f"{table.name}.csv", to_csv(table))
        write_json(new / "results.json", found)
        content = {
            "found": found,
            "tables": {table.name: table for table in tables},
            "figures": _figures(new, found),
            "named": NAMED,
        }
        page = render("exploration.html", files=downloads(new), **content)
        write_text(new / "index.html", page)
    return out / "index.html", found


def exploration_text(found: Found) -> str:
    """The overview and what is missing, for a terminal."""
    tables = overview(found), missing(found)
    return "\n\n".join(f"{table.caption}\n\n{to_text(table)}" for table in tables)


def _tables(found: Found) -> list[Table]:
    counted = [
        counts(found, *each) for each in (("gender", "Gender"), ("language", "Language"))
    ]
    return [
        *(overview(found), classes(found), speakers(found), *counted, counts(found, "split")),
        *(measures(found), dimensions(found), agreement(found), missing(found), copies(found)),
    ]


def overview(found: Found) -> Table:
    head = ["Corpus", "Utterances", "Hours", "Speakers", "Texts", "Sample rates (Hz)", "Labels"]
    rows = []
    for name, facts in found.items():
        people = len([*filter(lambda s: s != NO_LABEL, facts["speakers"])])
        rates, sources = ", ".join(facts["sample_rates"]), ", ".join(facts["sources"])
        sizes = [facts["utterances"], facts["hours"], people, facts["texts"]]
        rows.append([name, *sizes, rates, sources])
    return Table("overview", "What there is.", head, rows)


def classes(found: Found) -> Table:
    """A row per class, a column per corpus and label source."""
    sources = _by_source(found)
    names = dict.fromkeys(c for source in sources.values() for c in source["emotions"])
    order = sorted(names, key=lambda name: name == NO_LABEL)
    rows = [[c, *(s["emotions"].get(c) for s in sources.values())] for c in order]
    caption = f"Utterances per class and label source; {NO_LABEL}: raters name no class."
    return Table("classes", caption, ["Class", *sources], rows)


def speakers(found: Found) -> Table:
    """A row per speaker, a column per class of the default source."""
    people = [
        (name, *one) for name, facts in found.items() for one in facts["speakers"].items()
    ]
    emotions = sorted({c for *_, one in people for c in one["emotions"]})
    rows = [
        [
            *(name, speaker, one["gender"], one["utterances"], one["minutes"]),
            *(one["emotions"].get(c, 0) for c in emotions),
        ]
        for name, speaker, one in sorted(people, key=lambda one: one[:2])
    ]
    head = ["Corpus", "Speaker", "Gender", "Utterances", "Minutes", *emotions]
    return Table("speakers", "Speakers, with classes of the default source.", head, rows)


def counts(found: Found, fact: str, title: str = "Split") -> Table:
    rows = [
        [name, value, n, 100 * n / facts["utterances"]]
        for name, facts in found.items()
        for value, n in facts["counts"][fact].items()
        if facts["missing"][fact] < facts["utterances"]
    ]
    head = ["Corpus", title, "Utterances", "Percent"]
    return Table(fact, f"Utterances by {fact}.", head, rows)


def measures(found: Found) -> Table:
    """Durations in seconds and levels in dB."""
    head = ["Corpus", "Measure", "Least", "5 %", "Median", "95 %", "Most"]
    measured = {"duration_s": "duration (s)", "level_db": "level (dB below full scale)"}
    rows = [
        [name, title, *ends.values()]
        for name, facts in found.items()
        for key, title in measured.items()
        if (ends := quantiles(facts[key].values()))
    ]
    return Table("measures", "Durations and levels (RMS) of utterances.", head, rows)


def dimensions(found: Found) -> Table:
    head = ["Corpus", "Dimension", "Rated", "Least", "5 %", "Median", "95 %", "Most"]
    rows = [
        [name, dimension, len(values), *quantiles(values.values()).values()]
        for name, source in _by_source(found).items()
        for dimension, values in source["dimensions"].items()
        if values
    ]
    return Table("dimensions", "Rated dimensions, in each corpus's own units.", head, rows)


def agreement(found: Found) -> Table:
    head = ["Corpus", "Rated", "Raters", "Winner's share", "Ties", "Alpha"]
    rows = []
    for name, source in _by_source(found).items():
        if agreed := source["agreement"]:
            share = sum(agreed["shares"]) / len(agreed["shares"])
            rated = [agreed["rated"], agreed["raters"], share]
            rows.append([name, *rated, agreed["ties"], agreed["alpha"]])
    caption = (
        "Raters per utterance, the mean share of votes for the winner, utterances whose first "
        "place is shared, and Krippendorff's alpha: 1 is full agreement, 0 that of chance."
    )
    return Table("agreement", caption, head, rows)


def missing(found: Found) -> Table:
    """Unknown facts per corpus, and utterances without a class or a rating."""
    facts = next(iter(found.values()))["missing"]
    head = ["Corpus", *(fact.capitalize() for fact in facts), "Class", "Dimensions", "Skipped"]
    rows = []
    for name, one in found.items():
        source = one["sources"].get(one["default_source"])
        classed = one["utterances"] - (source["labelled"] if source else 0)
        classed += source["emotions"].get(NO_LABEL, 0) if source else 0
        rated = max((len(d) for s in one["sources"].values() for d in _values(s)), default=0)
        unrated = one["utterances"] - rated
        skipped = sum(one["left_out"].values())
        rows.append([name, *one["missing"].values(), classed, unrated, skipped])
    caption = (
        "Utterances without a fact, without a class of the default source, and without a "
        "rating; and how many files the preparation skipped."
    )
    return Table("missing", caption, head, rows)


def copies(found: Found) -> Table:
    rows = []
    for name, facts in found.items():
        groups = [*(facts["same_files"] or []), *facts["same_samples"]]
        for group in dict.fromkeys(tuple(sorted(group)) for group in groups):
            rows.append([name, len(group), ", ".join(group)])
    caption = "Recordings under several names: the same file or the same samples."
    return Table("copies", caption, ["Corpus", "Names", "Utterances"], rows)


def _values(source: Mapping) -> list[Mapping]:
    return [source["dimensions"][name] for name in DIMENSIONS]


def _by_source(found: Found) -> dict[str, Mapping]:
    """Each label source of each corpus; its name has the source where there are several."""
    return {
        f"{name} {source}" if len(facts["sources"]) > 1 else name: labels
        for name, facts in found.items()
        for source, labels in facts["sources"].items()
    }


def _figures(folder: Path, found: Found) -> dict[str, ReportFigure]:
    synthetic = " SYNTHETIC SPEECH" if any(f["synthetic"] for f in found.values()) else ""
    subtitle = ", ".join(found) + synthetic
    figures = {}

    def add(name: str, draw, contents: Mapping, title: str, *more: object) -> None:
        if contents:
            draw(folder / name, contents, *more, title, subtitle)
            alt = f"{title}, a panel for each of {', '.join(contents)}. The table has numbers."
            dashed = "; the median is dashed" if draw is plots.histograms else ""
            figures[name] = inlined(folder / name, f"{title}{dashed}.", alt)

    sources = _by_source(found)
    labelled = {
        name: {c: n for c, n in source["emotions"].items() if c != NO_LABEL}
        for name, source in sources.items()
    }
    add(
        "class-bars",
        plots.bars,
        {n: c for n, c in labelled.items() if c},
        "Utterances per class",
    )
    for key, title, label in (
        ("duration_s", "Durations", "Duration (s)"),
        ("level_db", "Levels", "Level (dB below full scale)"),
    ):
        values = {name: [*f[key].values()] for name, f in found.items() if f[key]}
        add(f"{key}-histogram", plots.histograms, values, title, label)
    shares = {n: s["agreement"]["shares"] for n, s in sources.items() if s["agreement"]}
    label = "Share of the votes"
    add("agreement-histogram", plots.histograms, shares, "Share of votes for the winner", label)
    points = {}
    for name, facts in found.items():
        for source in facts["sources"].values():
            valence, arousal = (source["dimensions"][d] for d in ("valence", "arousal"))
            both = [i for i in valence if i in arousal]
            if both and facts["vad_scale"]:
                pairs = [valence[i] for i in both], [arousal[i] for i in both]
                points.setdefault(name, (*pairs, facts["vad_scale"]))
    add("plane", plots.plane, points, "Valence and arousal")
    return figures
