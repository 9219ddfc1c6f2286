"""What adaptation without labels gains, and whether it does harm (docs/adapting.md).

    python benchmarks/adaptation.py PREDICTIONS PREDICTIONS ... [--seed 1] [--repeats 8]

Each PREDICTIONS is the .jsonl file of one corpus with its embeddings, as a probe's run or
``ser embed`` writes them. Each corpus is the test set once, all others train, weighing alike.
UAR counts the emotions that all of them have.

Shapes: N clips, D embedding size.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import torch

from ser_brain.evaluation.predictions import read_predictions
from ser_brain.models.adaptation import LinearAdapter
from ser_brain.training.discriminant import averaged_discriminant

RIDGE = 0.001  # of the head; a share of the sum of all variances
COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


@dataclass
class Corpus:
    embeddings_ND: torch.Tensor
    class_N: np.ndarray
    speaker_N: np.ndarray


def read(paths: list[str]) -> tuple[dict[str, Corpus], list[str]]:
    """Corpora by name, and the emotions that all of them have."""
    found = {}
    for path in paths:
        predictions = read_predictions(path, scores=False)
        found[predictions.rows[0]["corpus"]] = predictions
    shown = [{row["emotion"] for row in p.rows} - {None} for p in found.values()]
    emotions = sorted(set.intersection(*shown))
    corpora = {}
    for name, predictions in found.items():
        kept = [n for n, row in enumerate(predictions.rows) if row["emotion"] in emotions]
        corpora[name] = Corpus(
            torch.from_numpy(predictions.embeddings_ND[kept]).double(),
            np.array([emotions.index(predictions.rows[n]["emotion"]) for n in kept]),
            np.array([str(predictions.rows[n]["speaker"]) for n in kept]),
        )
    return corpora, emotions


def fit(corpora: list[Corpus], classes: int) -> LinearAdapter:
    everything_1D = torch.ones(1, corpora[0].embeddings_ND.shape[1])
    speakers = [f"{n} {speaker}" for n, c in enumerate(corpora) for speaker in c.speaker_N]

    def fit_head(x_ND, class_N, weight_N):
        chunks = [(x_ND, class_N, weight_N)]
        found = averaged_discriminant(lambda: chunks, classes, speakers, everything_1D, [RIDGE])
        return found.weight_ED, found.bias_E

    return LinearAdapter.fit(
        fit_head,
        torch.cat([c.embeddings_ND for c in corpora]),
        torch.from_numpy(np.concatenate([c.class_N for c in corpora])),
        [n for n, c in enumerate(corpora) for _ in c.class_N],
        [speaker for c in corpora for speaker in c.speaker_N],
    )


def uar(class_N: np.ndarray, answer_N: np.ndarray) -> float:
    return np.mean([(answer_N[class_N == c] == c).mean() for c in np.unique(class_N)])


# -- simulations: rows of a corpus and the speakers they are said to have (or None)


def everything(corpus, rng):
    return np.arange(len(corpus.class_N)), corpus.speaker_N


def one_emotion_each(corpus, rng, share=1.0):
    rows = []
    for speaker in np.unique(corpus.speaker_N):
        theirs = np.flatnonzero(corpus.speaker_N == speaker)
        shown = rng.choice(np.unique(corpus.class_N[theirs]))
        single = rng.random() < share
        rows.append(theirs[corpus.class_N[theirs] == shown] if single else theirs)
    return np.concatenate(rows), corpus.speaker_N


def mostly(corpus, rng, wanted, share=0.9):
    wanted = rng.choice(corpus.class_N.max() + 1) if wanted is None else wanted
    rows = np.flatnonzero(corpus.class_N == wanted)
    others = np.flatnonzero(corpus.class_N != wanted)
    count = max(3, round(len(rows) * (1 - share) / share))
    return np.concatenate([rows, rng.choice(others, count, replace=False)]), corpus.speaker_N


def two_emotions(corpus, rng):
    shown = rng.choice(corpus.class_N.max() + 1, 2, replace=False)
    return np.flatnonzero(np.isin(corpus.class_N, shown)), corpus.speaker_N


def lone_speaker(corpus, rng, single):
    rows = np.flatnonzero(corpus.speaker_N == rng.choice(np.unique(corpus.speaker_N)))
    if single:
        rows = rows[corpus.class_N[rows] == rng.choice(np.unique(corpus.class_N[rows]))]
    return rows, corpus.speaker_N


def wrong_speakers(corpus, rng, share):
    other = rng.permutation(corpus.speaker_N)
    wrong = rng.random(len(other)) < share
    return np.arange(len(other)), np.where(wrong, other, corpus.speaker_N)


def renamed(corpus, rng, names):
    return np.arange(len(corpus.class_N)), names(len(corpus.class_N))


def some(corpus, rng, count):
    count = min(count, len(corpus.class_N))
    return rng.choice(len(corpus.class_N), count, replace=False), corpus.speaker_N


def simulations(neutral: int | None) -> dict:
    """Name -> (function, keyword arguments, repeats as a multiple of those asked for)."""
    cases = {
        "the whole corpus": (everything, {}, 0),
        "no speakers": (renamed, {"names": lambda n: None}, 0),
        "one speaker for all": (renamed, {"names": lambda n: np.zeros(n)}, 0),
        "every clip a speaker": (renamed, {"names": np.arange}, 0),
        "all speakers shuffled": (wrong_speakers, {"share": 1.0}, 1),
        "20 % of the speakers wrong": (wrong_speakers, {"share": 0.2}, 1),
        "speakers with one emotion each": (one_emotion_each, {}, 1),
        "half the speakers with one emotion": (one_emotion_each, {"share": 0.5}, 1),
        "90 % one emotion, any": (mostly, {"wanted": None}, 2),
        "two emotions only": (two_emotions, {}, 1),
        "one speaker alone": (lone_speaker, {"single": False}, 3),
        "one speaker with one emotion": (lone_speaker, {"single": True}, 6),
    }
    if neutral is not None:
        cases["90 % neutral"] = (mostly, {"wanted": neutral}, 2)
        cases["70 % neutral"] = (mostly, {"wanted": neutral, "share": 0.7}, 1)
    for count in COUNTS:
        cases[f"{count} clips"] = (some, {"count": count}, 8 if count < 10 else 2)
    return cases


def judge(adapter: LinearAdapter, corpus: Corpus, draws: list, extra: Corpus | None = None):
    """UAR over all draws together: plain, adapted by corpus, and by speaker."""
    truth, answers = [], ([], [], [])
    for rows, speakers in draws:
        x_ND, count = corpus.embeddings_ND[rows], len(rows)
        speaker_N = None if speakers is None else [*speakers[rows]]
        if extra is not None:
            x_ND = torch.cat([x_ND, extra.embeddings_ND])
            speaker_N += [f"other {s}" for s in extra.speaker_N]
        names = ["test"] * len(x_ND)
        adapted = adapter.adapt(x_ND, names, speaker_N)
        groups = (["unknown"] * len(x_ND), None), (names, None), (names, speaker_N)
        for found, (corpus_N, who_N) in zip(answers, groups, strict=True):
            found.append(adapted.scores(x_ND, corpus_N, who_N)[:count].argmax(1).numpy())
        truth.append(corpus.class_N[rows])
    truth_N = np.concatenate(truth)
    return [uar(truth_N, np.concatenate(found)) for found in answers]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("predictions", nargs="+")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=8)
    arguments = parser.parse_args()
    corpora, emotions = read(arguments.predictions)
    adapters = {
        name: fit([c for other, c in corpora.items() if other != name], len(emotions))
        for name in corpora
    }
    cases = simulations(emotions.index("neutral") if "neutral" in emotions else None)
    print(f"UAR of {', '.join(emotions)}; plain -> adapted, on each corpus as the test set\n")
    print("| simulation |", " | ".join(corpora), "| mean gain | smallest |")
    print("|---|" + "---|" * (len(corpora) + 2))
    for case, (simulate, options, repeats) in cases.items():
        found = []
        for number, (name, corpus) in enumerate(corpora.items()):
            rng = np.random.default_rng([arguments.seed, number])
            times = max(1, repeats * arguments.repeats)
            draws = [simulate(corpus, rng, **options) for _ in range(times)]
            found.append(judge(adapters[name], corpus, draws))
        print(row(case, found), flush=True)
    found = []
    for name, corpus in corpora.items():
        whole = [everything(corpus, None)]
        others = [other for other in corpora if other != name]
        each = [judge(adapters[name], corpus, whole, corpora[other]) for other in others]
        found.append(np.mean(each, axis=0))
    print(row("another corpus taken for a part", found))


def row(case: str, found: list) -> str:
    """A line of the table; the first has what the corpus view alone does as well."""
    middle = case == "the whole corpus"
    cells = [
        " -> ".join(f"{value:.3f}" for n, value in enumerate(values) if n != 1 or middle)
        for values in found
    ]
    gains = [values[2] - values[0] for values in found]
    return f"| {case} | {' | '.join(cells)} | {np.mean(gains):+.3f} | {min(gains):+.3f} |"


if __name__ == "__main__":
    main()
