"""The board as people read it: one page, its tables, and ``board.json``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ser_brain.core.errors import SERError
from ser_brain.core.files import read_json, write_json, write_text
from ser_brain.core.tables import NOTHING, Table, p_value, to_csv, to_text
from ser_brain.evaluation.board import RANKED, SAME_CORPUS, board
from ser_brain.evaluation.compare import SEEN
from ser_brain.evaluation.runs import read_run
from ser_brain.evaluation.significance import ALPHA
from ser_brain.reporting.html import downloads, render, rewritten
from ser_brain.reporting.report_tables import metric_title, on_temperatures, temperature_text

RESULTS = "board.json"
NOT_MEASURED = "name clips with --on"
MARKS = {SEEN: "†", SAME_CORPUS: "°"}


def write_board(
    folders: Sequence[Path], out: Path, costs: Mapping[Path, Mapping] | None = None
) -> tuple[Path, dict]:
    """Write the page and its files; models that ``out`` has already stay on the board.

    Parameters
    ----------
    folders : sequence of Path
    out : Path
    costs : mapping, optional
        Folder -> size and speed, see :func:`ser_brain.publishing.cost.costs_of`. Those of
        earlier boards are kept.

    Returns
    -------
    page : Path
    found : dict
        As in ``board.json``: see :func:`ser_brain.evaluation.board.board`. Folders are relative
        to ``out``.

    Raises
    ------
    SERError
        If there is no model, or a folder of an earlier board is gone.
    """
    earlier = _earlier(out)
    known = {folder.resolve(): folder for folder in [*earlier, *folders]}
    measured = {folder.resolve(): cost for folder, cost in {**earlier, **(costs or {})}.items()}
    if not known:
        raise SERError(f"{out} has no board yet; name the folders of the models to compare.")
    for folder in earlier:
        if not folder.is_dir():
            raise SERError(
                f"{folder}, a model of {out / RESULTS}, is gone. Restore it, or write the "
                "board into another folder."
            )
    found = board([read_run(folder) for folder in known.values()])
    for model in found["models"].values():
        model["cost"] = measured.get(Path(model["folder"]).resolve())
        model["folder"] = os.path.relpath(model["folder"], out)
    each = tables(found)
    with rewritten(out) as new:
        write_json(new / RESULTS, found)
        for table in each:
            write_text(new / f"{table.name}.csv", to_csv(table))
        by_name = {table.name: table for table in each}
        notes = {
            f"{label} on {name}": cell["notes"]
            for name, column in found["test_sets"].items()
            for label, cell in column["cells"].items()
            if cell["notes"]
        }
        content = {"found": found, "tables": by_name, "notes": notes, "legend": legend(found)}
        write_text(
            new / "index.html",
            render("board.html", files=downloads(new), alpha=ALPHA, **content),
        )
    return out / "index.html", found


def _earlier(out: Path) -> dict[Path, Mapping | None]:
    """The folders of the models of a board, and their costs."""
    if not (out / RESULTS).is_file():
        return {}
    models = read_json(out / RESULTS, "board").get("models")
    if not isinstance(models, dict) or not all(
        isinstance(m, dict) and isinstance(m.get("folder"), str) for m in models.values()
    ):
        raise SERError(f"Bad board {out / RESULTS}: it names no folders of models.")
    return {out / model["folder"]: model.get("cost") for model in models.values()}


def tables(found: Mapping) -> list[Table]:
    """All tables that have a row."""
    each = [by_metric(found, metric) for metric in found["metrics"]]
    each += [groups(found), calibration(found), gaps(found), costs(found), models(found)]
    return [table for table in each if table.rows]


def by_metric(found: Mapping, metric: str) -> Table:
    """A row per model and baseline; for each test set the value and, if tested, the rank."""
    sets = {
        name: column
        for name, column in found["test_sets"].items()
        if any(metric in cell["metrics"] for cell in column["cells"].values())
    }
    over, head = [""], ["Model"]
    for name, column in sets.items():
        ranked = metric in column["ranking"]
        over += [name] * (1 + ranked)
        head += [metric_title(metric), *(["Rank"] if ranked else [])]
    rows = []
    for label in found["models"]:
        row = [label]
        for column in sets.values():
            ranking = column["ranking"].get(metric)
            top = ranking is not None and label in ranking["top"]
            row.append(_cell(column["cells"].get(label), metric, top))
            row += [ranking["ranks"].get(label)] if ranking else []
        if any(cell is not None for cell in row[1:]):
            rows.append(row)
    rows.sort(key=_place)
    baselines = dict.fromkeys(b for column in sets.values() for b in column["baselines"])
    for name in baselines:
        row = [name]
        for column in sets.values():
            row.append(column["baselines"][name].get(metric))
            row += [None] if metric in column["ranking"] else []
        if any(cell is not None for cell in row[1:]):
            rows.append(row)
    caption = f"{metric_title(metric)}, with 95 % intervals over speakers."
    return Table(metric.replace(" ", "_"), caption, head, rows, over=over)


def _place(row: Sequence) -> tuple[bool, float]:
    """The best of the first test set first; those that have seen it last."""
    value = next(cell for cell in row[1:] if isinstance(cell, Mapping))
    return MARKS[SEEN] in value["marks"], -value["value"]


def _cell(cell: Mapping | None, metric: str, top: bool) -> dict | None:
    if cell is None or metric not in cell["metrics"]:
        return None
    return {**cell["metrics"][metric], "marks": MARKS.get(cell["role"], ""), "best": top}


def groups(found: Mapping) -> Table:
    """For each test set and tested metric: every model against the one with the highest."""
    head = ["Test set", "Metric", "Highest", "Model", "Rank", "p (Holm)", "Top group"]
    rows = []
    for name, column in found["test_sets"].items():
        for metric, ranking in column["ranking"].items():
            for label, p in ranking["p_holm"].items():
                what = [name, metric_title(metric), ranking["best"], label]
                inside = "yes" if label in ranking["top"] else "no"
                rows.append([*what, ranking["ranks"][label], p_value(p), inside])
    caption = "Every model against the one with the highest value on the test set."
    return Table("top_groups", caption, head, rows)


def calibration(found: Mapping) -> Table:
    """NLL and ECE of answered probabilities, and with each model's own temperature."""
    head = ["Model", "Test set", "NLL", "NLL, scaled", "ECE", "ECE, scaled", "Temperature"]
    keys = [f"{metric}, {how}" for metric in ("nll", "ece") for how in ("answered", "scaled")]
    rows, temperatures = [], []
    for name, column in found["test_sets"].items():
        for label, cell in column["cells"].items():
            if measured := cell["calibration"]:
                temperature = measured.get("temperature")
                temperatures += [temperature] if temperature else []
                shown = temperature_text(temperature) if temperature else NOTHING
                rows.append([label, name, *map(measured.get, keys), shown])
        for label, level in column["baselines"].items():
            if keys[0] in level and any(c["calibration"] for c in column["cells"].values()):
                rows.append([label, name, level[keys[0]], None, None, None, NOTHING])
    caption = "Probabilities: lower is better."
    if temperatures:
        caption += f" Scaled: {on_temperatures(temperatures)}"
    return Table("calibration", caption, head, rows)


def gaps(found: Mapping) -> Table:
    """How much better a model is for one group of speakers than for another."""
    head = ["Model", "Test set", "Between", "Metric", "Gap", "Highest", "Lowest", "Note"]
    rows = []
    for name, column in found["test_sets"].items():
        for label, cell in column["cells"].items():
            for key, of_metrics in cell["gaps"].items():
                for metric in RANKED:
                    if gap := of_metrics.get(metric):
                        ends = [gap["highest"], gap["lowest"], gap.get("note")]
                        what = [label, name, key, metric_title(metric)]
                        rows.append(
                            [*what, {k: gap[k] for k in ("value", "low", "high")}, *ends]
                        )
    return Table("gaps", "Gaps between the highest and the lowest group.", head, rows)


def costs(found: Mapping) -> Table:
    """Size and speed of each model, as far as they were measured."""
    head = ["Model", "Parameters", "MB", "Real-time factor", "Times functionals", "Measured on"]
    rows = []
    for label, model in found["models"].items():
        cost = model["cost"] or {"not_measured": NOT_MEASURED}
        if "not_measured" in cost:
            rows.append([label, *[None] * 4, f"not measured: {cost['not_measured']}"])
            continue
        where = (
            f"{cost['clips']} clips ({cost['audio_s']:g} s), {cost['processor']}, "
            f"{cost['threads']} thread{'s' if cost['threads'] > 1 else ''}"
        )
        speed = cost["real_time_factor"], cost["times_functionals"]
        rows.append([label, cost["parameters"], cost["bytes"] / 1e6, *speed, where])
    caption = (
        "Size and speed. Real-time factor: seconds of work for a second of audio, clip by "
        "clip. Times functionals: the same over the time of our functionals, which took turns "
        "with it; it depends less on what else the machine was doing."
    )
    return Table("costs", caption, head, rows)


def models(found: Mapping) -> Table:
    """What each model is, and what it was trained on."""
    head = ["Model", "Encoder", "Trained on", "Classes", "Adapted", "Protocol", "Folder"]
    rows = []
    for label, model in found["models"].items():
        trained = "not stated"
        if model["trained_on"] is not None:
            trained = ", ".join(model["trained_on"])
        adapted = NOTHING
        if model["adapted"]:
            ends = dict.fromkeys([model["adapted"][0], model["adapted"][-1]])
            clips = " to ".join(f"{end:,}" for end in ends)
            adapted = f"to {clips} unlabelled clips of the test set"
        facts = [model["encoder"] or NOTHING, trained, ", ".join(model["emotions"]) or NOTHING]
        rows.append([label, *facts, adapted, model["protocol"], model["folder"]])
    return Table("models", "The models.", head, rows)


def legend(found: Mapping) -> list[str]:
    """The meaning of bold type and of the marks that occur."""
    cells = [c for column in found["test_sets"].values() for c in column["cells"].values()]
    roles = {cell["role"] for cell in cells}
    lines = []
    if any(column["ranking"] for column in found["test_sets"].values()):
        names = ", ".join(
            dict.fromkeys(
                metric_title(m) for c in found["test_sets"].values() for m in c["ranking"]
            )
        )
        lines.append(
            f"Bold: the top group in {names}. It is the model with the highest value and all "
            f"that do not differ from it (p ≥ {ALPHA}; paired test on the same utterances that "
            "swaps the answers of whole speakers; Holm's correction over the tests of that "
            "test set and metric). Models in it are not shown to be equal, and two outside "
            "it are not compared. With few speakers the group is large."
        )
    if SEEN in roles:
        lines.append(
            f"{MARKS[SEEN]} trained on utterances of this set, or perhaps on them: no rank."
        )
    if SAME_CORPUS in roles:
        lines.append(
            f"{MARKS[SAME_CORPUS]} in distribution: trained on other utterances of the same "
            "corpus, as its protocol says. It has an advantage over models without a mark."
        )
    if any(model["trained_on"] is None for model in found["models"].values()):
        lines.append("Where training data is not stated, nobody knows whether it was seen.")
    return lines


def board_text(found: Mapping) -> str:
    """The tables of results for a terminal."""
    shown = [by_metric(found, metric) for metric in found["metrics"]]
    parts = [f"{table.caption}\n\n{to_text(table)}" for table in shown]
    return "\n\n".join([*parts, "\n".join(legend(found))])
