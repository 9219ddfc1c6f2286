"""How many clips does it take to adapt a model to a language or a person it has never heard?

    python -m ser_brain folds hparams/probe/classification.yaml --protocol corpus --corpora=...
    python benchmarks/adaptation_curves.py results/classification/emodb+urdu/corpus --out curves

Reads the embeddings of a folds folder of the protocol ``corpus``. For every corpus, the adapter
is learned from the other ones, and adapted to some clips of this one, drawn anew in every
repeat; UAR is of other clips. Unlabelled: 0 to all clips of the speaker who is tested, of other
speakers, or of both. Labelled: 0 to 20 clips of each class, of the speaker who is tested or of
other speakers, on top of all clips of the corpus without labels, or of these clips alone.

UAR is of the summed confusions of all speakers and repeats; its interval resamples speakers. A
point counts the speakers who have clips enough, and at least one clip to test on. Compare
along a curve only where their number is the same: ``--same`` keeps to speakers who reach the
most labelled clips asked for.

Writes curves.csv, curves.md, curves.png and curves.svg.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import matplotlib
import numpy as np
import torch

from ser_brain.evaluation.metrics import confusion_matrix, uar
from ser_brain.evaluation.runs import parts_of, read_run
from ser_brain.evaluation.significance import tail_probability
from ser_brain.models.few_shot import fit_few_shot
from ser_brain.training.adapted import Adapter
from ser_brain.training.run import ADAPTER

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

LABELLED = (0, 1, 2, 5, 10, 20)
UNLABELLED = (0, 1, 2, 5, 10, 20, 50, 100, None)
RESAMPLES = 2000


class Corpus:
    """Embeddings (N, D), classes (N,) and speakers (N,) of a test set."""

    def __init__(self, predictions) -> None:
        kept = np.flatnonzero(predictions.true_N >= 0)
        self.x_ND = torch.from_numpy(predictions.embeddings_ND)[kept].double()
        self.class_N = predictions.true_N[kept]
        self.speaker_N = np.array([predictions.rows[n]["speaker"] for n in kept])
        self.emotions = predictions.emotions

    def rows_of(self, speaker: str) -> np.ndarray:
        return np.flatnonzero(self.speaker_N == speaker)


class Experiment:
    """Adapts to draws of clips of one corpus, with an adapter learned from the others."""

    def __init__(self, target: Corpus, adapter: Adapter) -> None:
        self.target, self.adapter = target, adapter
        self.whole = adapter.adapt(target.x_ND, list(target.speaker_N))

    def unlabelled(self, rows: np.ndarray, speaker: str) -> tuple:
        """The head for a speaker, adapted to clips of hers and of others without labels."""
        if len(rows) == 0:
            return tuple(each / self.adapter.temperature for each in self.whole.plain)
        speakers = list(self.target.speaker_N[rows])
        return self.adapter.head(self.adapter.adapt(self.target.x_ND[rows], speakers), speaker)

    def labelled(self, head: tuple, rows: np.ndarray, beside: np.ndarray) -> tuple:
        """A head fitted to labelled clips, with others that have no label."""
        if len(rows) == 0:
            return head
        x_ND, class_N = self.target.x_ND[rows], self.target.class_N[rows]
        others_ND = self.target.x_ND[beside]
        return fit_few_shot(head, self.adapter.linear.scale_D, x_ND, class_N, others_ND).head

    def confusion(self, head: tuple, rows: np.ndarray) -> np.ndarray:
        scores_NE = self.target.x_ND[rows] @ head[0].T + head[1]
        classes = len(self.target.emotions)
        return confusion_matrix(self.target.class_N[rows], scores_NE.argmax(1).numpy(), classes)


def curves_of(experiment: Experiment, repeats: int, seed: int) -> dict:
    """(curve, number of clips) -> speaker -> confusions summed over the repeats."""
    target, found = experiment.target, defaultdict(dict)
    speakers = sorted(set(target.speaker_N))
    everyone = np.arange(len(target.class_N))

    def note(
        curve: str, count: int | None, speaker: str, head: tuple, rows: np.ndarray
    ) -> None:
        if len(rows):
            key = curve, -1 if count is None else count
            total = found[key].get(speaker, 0)
            found[key][speaker] = total + experiment.confusion(head, rows)

    for repeat in range(repeats):
        rng = np.random.default_rng([seed, repeat])
        for speaker in speakers:
            own = rng.permutation(target.rows_of(speaker))
            others = rng.permutation(np.setdiff1d(everyone, own))
            half = own[: len(own) // 2]  # tested; the other half may be used
            spare = own[len(own) // 2 :]
            for count in UNLABELLED:
                for curve, pool in (("own", spare), ("others", others)):
                    if count is not None and count > len(pool):
                        continue
                    head = experiment.unlabelled(pool[:count], speaker)
                    note(f"unlabelled {curve}", count, speaker, head, half)
            whole = experiment.adapter.head(experiment.whole, speaker)
            note("unlabelled all", None, speaker, whole, half)
            for count in LABELLED:
                for curve, pool in (("own", own), ("others", others)):
                    drawn = drawn_of(pool, target.class_N, count, len(target.emotions))
                    if drawn is None:
                        continue
                    tested = np.setdiff1d(own, drawn)
                    alone = experiment.unlabelled(drawn, speaker)
                    # The clips of other speakers are scored by the head of new speakers.
                    new = experiment.adapter.head(experiment.whole)
                    start = whole if curve == "own" else new
                    rest = np.setdiff1d(everyone, drawn) if curve == "own" else drawn[:0]
                    for base, first, beside in (
                        ("corpus", start, rest),
                        ("nothing", alone, drawn[:0]),
                    ):
                        head = experiment.labelled(first, drawn, beside)
                        note(f"labelled {curve}, on {base}", count, speaker, head, tested)
    return found


def drawn_of(
    pool: np.ndarray, class_N: np.ndarray, count: int, classes: int
) -> np.ndarray | None:
    """The first clips of each class; None if a class has too few of them."""
    drawn = [pool[class_N[pool] == emotion][:count] for emotion in range(classes)]
    return None if min(map(len, drawn)) < count else np.concatenate(drawn).astype(int)


def interval(by_speaker: dict[str, np.ndarray], rng) -> tuple[float, float, float]:
    """UAR of the summed confusions, and its 95 % interval over speakers."""
    confusions = np.stack(list(by_speaker.values()))
    value = float(uar(confusions.sum(0)))
    if len(confusions) < 5:
        return value, float("nan"), float("nan")
    drawn = rng.integers(0, len(confusions), (RESAMPLES, len(confusions)))
    values = uar(confusions[drawn].sum(1))
    tail = tail_probability(len(confusions))
    return value, *np.nanquantile(values, [tail, 1 - tail]).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folds", type=Path, help="of ser folds --protocol corpus")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--same", action="store_true", help="the same speakers at every point")
    arguments = parser.parse_args()
    run = read_run(arguments.folds, embeddings=True)
    corpora = {
        name: Corpus(next(iter(parts.values()))) for name, parts in run.test_sets.items()
    }
    lines, rng = [], np.random.default_rng(arguments.seed)
    folders, _ = parts_of(arguments.folds)
    for name, target in corpora.items():
        (part,) = run.test_sets[name]
        experiment = Experiment(target, Adapter.load(folders[part] / ADAPTER))
        found = curves_of(experiment, arguments.repeats, arguments.seed)
        if arguments.same:
            found = with_same_speakers(found)
        for (curve, count), by_speaker in sorted(found.items()):
            value, low, high = interval(by_speaker, rng)
            clips = "all" if count < 0 else count
            lines.append([name, curve, clips, value, low, high, len(by_speaker)])
            print(f"{name:12} {curve:28} {clips!s:>4}  {value:.3f} [{low:.3f}, {high:.3f}]  "
                  f"{len(by_speaker)} speakers", flush=True)  # fmt: skip
    arguments.out.mkdir(parents=True, exist_ok=True)
    with open(arguments.out / "curves.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["corpus", "curve", "clips", "uar", "low", "high", "speakers"])
        table.writerows(lines)
    (arguments.out / "curves.md").write_text(table_of(lines), encoding="utf-8")
    draw(arguments.out, lines)


def table_of(lines: list[list]) -> str:
    """Two tables in Markdown, a row for each curve of each corpus."""
    found = {(name, curve, clips): values for name, curve, clips, *values in lines}
    text = []
    for kind, counts in (("unlabelled", UNLABELLED), ("labelled", LABELLED)):
        shown = ["all" if count is None else count for count in counts]
        head = f"| {kind} clips | {' | '.join(map(str, shown))} |"
        text += [head, "|---" * (len(shown) + 1) + "|"]
        for name, curve in dict.fromkeys((line[0], line[1]) for line in lines):
            if curve.startswith(f"{kind} ") and curve != "unlabelled all":
                cells = [cell(found.get((name, curve, clips))) for clips in shown]
                label = f"{name}, {curve.removeprefix(f'{kind} ')}"
                text.append(f"| {label} | {' | '.join(cells)} |")
        text.append("")
    return "\n".join(text)


def cell(values: list | None) -> str:
    if values is None:
        return ""
    value, low, high, _ = (f"{number:.3f}".removeprefix("0") for number in values)
    return value if low == "nan" else f"{value} [{low}, {high}]"


def with_same_speakers(found: dict) -> dict:
    """Drop from every curve the speakers who do not reach its last point."""
    kept = {}
    for key, by_speaker in found.items():
        last = max((k for k in found if k[0] == key[0]), key=lambda k: k[1])
        shared = by_speaker.keys() & found[last].keys()
        kept[key] = {speaker: by_speaker[speaker] for speaker in shared}
    return kept


CURVES = {  # curve -> what the figure calls it
    "unlabelled own": "of the speaker",
    "unlabelled others": "of others",
    "labelled own, on corpus": "of the speaker, and the corpus unlabelled",
    "labelled own, on nothing": "of the speaker alone",
    "labelled others, on corpus": "of others, and the corpus unlabelled",
    "labelled others, on nothing": "of others alone",
}


def draw(folder: Path, lines: list[list]) -> None:
    """A panel for each corpus and kind of clips."""
    names = list(dict.fromkeys(line[0] for line in lines))
    figure, axes = pyplot.subplots(
        2, len(names), figsize=(2.6 * len(names), 5.4), sharey=True, squeeze=False
    )
    for column, name in enumerate(names):
        for row, kind in enumerate(("unlabelled", "labelled")):
            axis = axes[row][column]
            for number, (curve, label) in enumerate(CURVES.items()):
                points = [x for x in lines if x[:2] == [name, curve] and x[2] != "all"]
                if not curve.startswith(f"{kind} ") or not points:
                    continue
                points.sort(key=lambda point: point[2])
                x, y, low, high = (np.array([p[n] for p in points]) for n in (2, 3, 4, 5))
                color = f"C{number % 2 if kind == 'unlabelled' else number - 2}"
                axis.plot(x, y, marker="o", markersize=3, label=label, color=color)
                axis.fill_between(x, low, high, alpha=0.12, color=color, linewidth=0)
            ticks = [c for c in (UNLABELLED if row == 0 else LABELLED) if c is not None]
            axis.set_xscale("symlog", linthresh=1)
            axis.set_xticks(ticks, [str(tick) for tick in ticks], fontsize=7)
            axis.minorticks_off()
            axis.axhline(0.25, color="grey", linewidth=0.8, linestyle=":")
            axis.set_xlabel(f"{kind} clips" + (" per class" if row else ""))
            axis.set_title(name if row == 0 else "")
        axes[0][column].set_ylim(0.2, 1)
    for row in (0, 1):
        axes[row][0].set_ylabel("UAR")
        axes[row][0].legend(fontsize=6, loc="lower right")
    figure.tight_layout()
    for suffix in ("png", "svg"):
        figure.savefig(folder / f"curves.{suffix}", dpi=100)


if __name__ == "__main__":
    main()
