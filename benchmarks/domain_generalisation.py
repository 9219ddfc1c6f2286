"""Which ways of training serve a corpus that was never heard (docs/languages.md).

    python benchmarks/domain_generalisation.py PREDICTIONS PREDICTIONS ... [--seeds 3]

The files are those of benchmarks/adaptation.py. Each corpus is the test set once and gives
nothing to training. The setting of a method is the one whose mean UAR is best when each
training corpus in turn is left out as well. Every method gives a linear head. The closed
forms also take the place of the plain one in the adapter without labels (docs/adapting.md).

Shapes: N clips, D embedding size, R principal components, C classes.
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np
import torch
from adaptation import Corpus, read, uar
from invariant_heads import METHODS, Clips, net
from torch import Tensor

from ser_brain.evaluation import metrics
from ser_brain.evaluation.significance import clusters_of, holm, paired_permutation_test
from ser_brain.models.adaptation import LinearAdapter


class Training:
    """Labelled clips of several corpora."""

    def __init__(self, corpora: list[Corpus]) -> None:
        self.embeddings_ND = torch.cat([c.embeddings_ND for c in corpora])
        self.class_N = torch.from_numpy(np.concatenate([c.class_N for c in corpora]))
        self.corpora = [n for n, c in enumerate(corpora) for _ in c.class_N]
        self.speakers = [speaker for c in corpora for speaker in c.speaker_N]
        self.views: list[tuple[Clips, Tensor]] = []  # in the order in which they are fitted

    def clips(self, u_ND: Tensor, weight_N: Tensor) -> tuple[Clips, Tensor]:
        """The clips in their principal components, and these: (R, D)."""
        value_N, vector_NN = torch.linalg.eigh(u_ND @ u_ND.T)
        there_N = value_N.flip(0) > 1e-9 * value_N[-1]
        root_R = value_N.flip(0)[there_N].sqrt()
        vector_NR = vector_NN.flip(1)[:, there_N]
        names = list(zip(self.corpora, self.speakers, strict=True))
        number = {name: n for n, name in enumerate(dict.fromkeys(names))}
        speaker_N = torch.tensor([number[name] for name in names])
        corpus_N = torch.tensor(self.corpora)
        clips = Clips(vector_NR * root_R, self.class_N, weight_N, corpus_N, speaker_N)
        return clips, (u_ND.T @ (vector_NR / root_R)).T

    def adapter(self, method: str, setting: dict, seed: int) -> LinearAdapter:
        fit = METHODS[method][0]
        place = itertools.count()

        def fit_head(u_ND, class_N, weight_N):
            number = next(place)
            if number == len(self.views):
                self.views.append(self.clips(u_ND, weight_N))
            clips, components_RD = self.views[number]
            weight_ER, bias_E = fit(clips, seed, **setting)
            return weight_ER @ components_RD, bias_E

        data = self.embeddings_ND, self.class_N, self.corpora, self.speakers
        return LinearAdapter.fit(fit_head, *data)

    def plain_scores(self, method: str, setting: dict, x_MD: Tensor, seed: int = 0) -> Tensor:
        """Of the head without adaptation, which is all that is fitted."""
        if not self.views:
            cells = (
                np.array(self.corpora) * (int(self.class_N.max()) + 1) + self.class_N.numpy()
            )
            weight_N = torch.from_numpy(1 / np.bincount(cells)[cells])
            weight_N *= len(weight_N) / weight_N.sum()
            self.center_D = weight_N @ self.embeddings_ND / len(weight_N)
            centred_ND = self.embeddings_ND - self.center_D
            self.scale_D = (weight_N @ centred_ND.square() / len(weight_N)).sqrt()
            self.views.append(self.clips(centred_ND / self.scale_D, weight_N))
        clips, components_RD = self.views[0]
        weight_ER, bias_E = METHODS[method][0](clips, seed, **setting)
        x_MR = ((x_MD - self.center_D) / self.scale_D) @ components_RD.T
        return x_MR @ weight_ER.T + bias_E


def inner_scores(corpora: dict[str, Corpus]) -> dict[tuple, float]:
    """UAR by method, number of the setting, corpora that trained, and the scored one."""
    found = {}
    for pair in itertools.combinations(corpora, len(corpora) - 2):
        training = Training([corpora[name] for name in pair])
        for method, (_, settings, _) in METHODS.items():
            for (number, setting), name in itertools.product(enumerate(settings), corpora):
                if name not in pair:
                    x_MD = corpora[name].embeddings_ND
                    answer_M = training.plain_scores(method, setting, x_MD).argmax(1).numpy()
                    found[method, number, pair, name] = uar(corpora[name].class_N, answer_M)
    return found


def chosen(method: str, test: str, corpora: dict[str, Corpus], inner: dict) -> int:
    """The setting that is best on the training corpora."""

    def mean(number: int) -> float:
        others = [name for name in corpora if name != test]
        pairs = [tuple(n for n in others if n != name) for name in others]
        return np.mean(
            [inner[method, number, p, o] for p, o in zip(pairs, others, strict=True)]
        )

    return max(range(len(METHODS[method][1])), key=mean)


def tested(cells: dict[str, np.ndarray], base: dict[str, np.ndarray], corpora: dict) -> list:
    """p of every corpus, and of the mean over corpora; whole speakers are swapped."""
    found, names = [], list(corpora)
    size = next(iter(cells.values())).shape[1]
    blocks = []
    for n, name in enumerate(names):
        clusters = clusters_of([*corpora[name].speaker_N])
        found.append(p_of(cells[name], base[name], clusters, 1))
        wide = [np.zeros((len(cells[name]), size * len(names))) for _ in range(2)]
        for block, part in zip(wide, (cells[name], base[name]), strict=True):
            block[:, n * size : (n + 1) * size] = part
        blocks.append(wide)
    clusters = clusters_of([f"{name} {s}" for name in names for s in corpora[name].speaker_N])
    one, other = (np.concatenate([wide[i] for wide in blocks]) for i in (0, 1))
    return [*found, p_of(one, other, clusters, len(names))]


def p_of(one_NK, other_NK, clusters, corpora: int) -> float:
    def mean_uar(sums_XK):
        classes = round((sums_XK.shape[-1] / corpora) ** 0.5)
        return metrics.uar(
            sums_XK.reshape(*sums_XK.shape[:-1], corpora, classes, classes)
        ).mean(-1)

    rng = np.random.default_rng(1)
    return paired_permutation_test(one_NK, other_NK, clusters, {"uar": mean_uar}, rng)["uar"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("predictions", nargs="+")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    corpora, emotions = read(arguments.predictions)
    inner = inner_scores(corpora)
    cells = {}  # (kind of scores, method) -> corpus -> mean cells over the seeds
    choices = {method: [] for method in METHODS}
    for name, corpus in corpora.items():
        training = Training([c for other, c in corpora.items() if other != name])
        names, everyone = [name] * len(corpus.class_N), [*corpus.speaker_N]
        for method, (_, settings, random) in METHODS.items():
            setting = settings[chosen(method, name, corpora, inner)]
            choices[method].append(", ".join(map(str, setting.values())))
            for seed in range(arguments.seeds if random else 1):
                x_ND = corpus.embeddings_ND
                scores = {"plain": training.plain_scores(method, setting, x_ND, seed)}
                if METHODS[method][0] is not net and seed == 0:  # nets take too long for it
                    adapter = training.adapter(method, setting, seed)
                    adapted = adapter.adapt(x_ND, names, everyone)
                    scores["adapted"] = adapted.scores(x_ND, names, everyone)
                for kind, scores_NC in scores.items():
                    answer_N = scores_NC.argmax(1).numpy()
                    one = metrics.confusion_cells(corpus.class_N, answer_N, len(emotions))
                    cells.setdefault((kind, method), {}).setdefault(name, []).append(one)
    cells = {
        key: {name: np.mean(each, axis=0) for name, each in found.items()}
        for key, found in cells.items()
    }
    for kind in ("plain", "adapted"):
        print(f"\nUAR of {', '.join(emotions)}, {kind} scores; p < .05 of a corpus: *\n")
        print(f"| head | {' | '.join(corpora)} | mean | difference | p, Holm |")
        print("|---|" + "---|" * (len(corpora) + 3))
        base = cells[kind, "plain"]
        shown = [method for method in METHODS if (kind, method) in cells]
        compared = [method for method in shown if method != "plain"]
        p_values = {method: tested(cells[kind, method], base, corpora) for method in compared}
        corrected = holm([p_values[method][-1] for method in compared])
        after = dict(zip(compared, corrected, strict=True))
        for method in shown:
            print(
                line(method, cells[kind, method], base, p_values.get(method), after.get(method))
            )
    print("\nsettings:")
    for method, found in choices.items():
        print(f"  {method} ({len(METHODS[method][1])}): {'; '.join(found)}")


def line(method: str, cells: dict, base: dict, p_values: list | None, corrected) -> str:
    def uars(found):
        classes = round(next(iter(found.values())).shape[1] ** 0.5)
        return [metrics.uar(k.sum(0).reshape(classes, classes)) for k in found.values()]

    values, plain = uars(cells), uars(base)
    stars = ["*" if p_values and p < 0.05 else "" for p in (p_values or values)[: len(values)]]
    shown = " | ".join(f"{v:.3f}{star}" for v, star in zip(values, stars, strict=True))
    gain = np.mean(values) - np.mean(plain)
    rest = f"{gain:+.3f} | {corrected:.3f}" if p_values else " | "
    return f"| {method} | {shown} | {np.mean(values):.3f} | {rest} |"


if __name__ == "__main__":
    main()
