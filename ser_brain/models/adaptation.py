"""Adapt a linear classifier to a new corpus, language or speaker by clips without labels.

A linear head learns where emotions lie in the corpora it was trained on. Another language, room
or microphone moves them. Normalising the embeddings by corpus undoes that, and by speaker
undoes more, as long as the clips show all emotions about equally. Where they do not, their mean
*is* the emotion, and removing it destroys the answer. Three heads are fitted here, one for each
way to normalise; the scores of an unseen corpus are mixed as far as its clips give evidence.
See docs/adapting.md.

Shapes: N clips, D embedding size, E classes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

Head = tuple[Tensor, Tensor]
FitHead = Callable[[Tensor, Tensor, Tensor], Head]

VIEWS = ("none", "corpus", "speaker")
CORPUS_CLIPS = 10  # pseudo-clips of the training statistics in the factor of the corpus view
SPEAKER_CLIPS = 4  # pseudo-clips of the corpus in the factor of the speaker view
VARIANCE_CLIPS = 20  # pseudo-clips of the wider group in a variance
LEAST_CLIPS = 20  # of a corpus, before its speakers are looked at
SMALLEST_VARIANCE = 1e-8


@dataclass(frozen=True)
class Evidence:
    """What the clips of a speaker, or of a whole corpus (``speaker`` None), gave reason for.

    ``factor`` is the share of the view in the scores, 0 to 1: of the corpus view beside the
    unadapted head, or of the speaker view beside the corpus view. ``diversity`` is 0 where the
    clips seem to show one emotion, 1 where they seem to show all alike.
    """

    corpus: Hashable
    speaker: Hashable | None
    clips: int
    factor: float
    diversity: float


@dataclass(frozen=True)
class LinearAdapter:
    """Heads for embeddings as they are, normalised by corpus, and by speaker within it.

    Attributes
    ----------
    center_D, scale_D : Tensor
        Mean and standard deviation of the training embeddings.
    heads : dict of str to (Tensor, Tensor)
        View -> weight (E, D) and bias (E,), of normalised embeddings.
    diversity_line : (float, float)
        Intercept and slope of the within-speaker share of the variance against the diversity
        of a speaker's classes.
    """

    center_D: Tensor
    scale_D: Tensor
    heads: Mapping[str, Head]
    diversity_line: tuple[float, float]

    @classmethod
    @torch.no_grad()
    def fit(
        cls,
        fit_head: FitHead,
        embeddings_ND: Tensor,
        class_N: Tensor,
        corpus_N: Sequence[Hashable],
        speaker_N: Sequence[Hashable],
        weights_N: Tensor | None = None,
    ) -> LinearAdapter:
        """Fit the heads, and what decides between them, on labelled clips of some corpora.

        Corpora weigh alike, and within each its classes do.

        Parameters
        ----------
        fit_head : callable
            Fits a linear head: embeddings (N, D), class indices (N,) and weights (N,) to
            weight (E, D) and bias (E,), all float64.
        embeddings_ND : Tensor
        class_N : Tensor
            Class indices from 0 to E - 1.
        corpus_N, speaker_N : sequence
            Names or numbers; the same speaker name in two corpora is two speakers.
        weights_N : Tensor, optional
            At least 0; 1 where left out.
        """
        x_ND = embeddings_ND.double()
        corpora, speakers = _groups(corpus_N), _groups(zip(corpus_N, speaker_N, strict=True))
        weights_N = torch.ones(len(x_ND)) if weights_N is None else weights_N
        weights_N = _balanced(weights_N.double(), class_N, corpora)
        center_D = (weights_N @ x_ND) / weights_N.sum()
        scale_D = ((weights_N @ (x_ND - center_D).square()) / weights_N.sum()).sqrt()
        scale_D = scale_D.clamp_min(SMALLEST_VARIANCE**0.5)
        views = {"none": (x_ND - center_D) / scale_D, "corpus": torch.empty_like(x_ND)}
        for rows in corpora.values():
            views["corpus"][rows] = _normalized(x_ND[rows], scale_D.square())
        views["speaker"] = views["corpus"].clone()
        for rows in speakers.values():
            views["speaker"][rows] = _normalized(
                views["corpus"][rows], torch.ones_like(scale_D)
            )
        heads = {}
        for view, u_ND in views.items():
            weight_ED, bias_E = fit_head(u_ND, class_N, weights_N)
            heads[view] = weight_ED - weight_ED.mean(0), bias_E - bias_E.mean()
        spread = {v: _spread(views[v] @ w.T + b) for v, (w, b) in heads.items()}
        heads = {
            v: (w * spread["none"] / spread[v], b * spread["none"] / spread[v])
            for v, (w, b) in heads.items()
        }
        return cls(center_D, scale_D, heads, (0.4, 0.5))

    @torch.no_grad()
    def adapt(
        self,
        embeddings_ND: Tensor,
        corpus_N: Sequence[Hashable],
        speaker_N: Sequence[Hashable] | None = None,
    ) -> Adapted:
        """Learn from clips without labels.

        Parameters
        ----------
        embeddings_ND : Tensor
        corpus_N : sequence
            What belongs together: a corpus, language or set of recordings.
        speaker_N : sequence, optional
            Without it, only whole corpora are normalised.
        """
        x_ND = embeddings_ND.double()
        heads, evidence = {}, []
        for corpus, rows in _groups(corpus_N).items():
            speakers = _groups(speaker_N[i] for i in rows) if speaker_N is not None else {}
            found, facts = self._adapt_corpus(x_ND[rows], speakers)
            heads |= {(corpus, speaker): head for speaker, head in found.items()}
            evidence += [Evidence(corpus, *fact) for fact in facts]
        return Adapted(self._plain_head(), heads, evidence)

    def _plain_head(self) -> Head:
        return _of_raw(self.heads["none"], self.center_D, self.scale_D)

    def _adapt_corpus(self, x_ND: Tensor, speakers: Mapping) -> tuple[dict, list]:
        count, plain = len(x_ND), self._plain_head()
        factor = (count - 1) / (count - 1 + CORPUS_CLIPS)
        mean_D, deviation_D = x_ND.mean(0), _deviation(x_ND, self.scale_D.square())
        u_ND = (x_ND - mean_D) / deviation_D
        inner = self.heads["corpus"]
        by_corpus = _of_raw(inner, mean_D, deviation_D)
        heads = {None: _mixed(plain, by_corpus, factor)}
        scores_NE = u_ND @ inner[0].T + inner[1]
        diversity = _diversity(scores_NE, speakers, self.diversity_line)
        mean_diversity = sum(diversity[s] * len(r) for s, r in speakers.items()) / count
        facts = [(None, count, factor, mean_diversity)]
        for speaker, rows in speakers.items():
            n = len(rows)
            share = (n - 1) / (n - 1 + SPEAKER_CLIPS) if diversity[speaker] > 0.5 else 0.0
            share = share if count >= LEAST_CLIPS else 0.0
            facts.append((speaker, n, share, diversity[speaker]))
            shift_D, width_D = (
                u_ND[rows].mean(0),
                _deviation(u_ND[rows], torch.ones_like(mean_D)),
            )
            by_speaker = _of_raw(
                _of_raw(self.heads["speaker"], shift_D, width_D), mean_D, deviation_D
            )
            heads[speaker] = _mixed(plain, _mixed(by_corpus, by_speaker, share), factor)
        return heads, facts

    @torch.no_grad()
    def running_scores(
        self,
        embeddings_ND: Tensor,
        corpus_N: Sequence[Hashable],
        speaker_N: Sequence[Hashable] | None = None,
        growth: float = 1.1,
    ) -> Tensor:
        """Scores of clips in the order of time, each adapted to itself and the clips before it.

        Adapts anew whenever the number of clips has grown by the factor ``growth``.

        Returns
        -------
        Tensor
            Log-probabilities (N, E).
        """
        scores, adapted, due = [], None, 1
        for n in range(1, len(embeddings_ND) + 1):
            seen = slice(0, n)
            if n >= due:
                speakers = None if speaker_N is None else speaker_N[seen]
                adapted, due = (
                    self.adapt(embeddings_ND[seen], corpus_N[seen], speakers),
                    n * growth,
                )
            last = slice(n - 1, n)
            speakers = None if speaker_N is None else speaker_N[last]
            scores.append(adapted.scores(embeddings_ND[last], corpus_N[last], speakers))
        return torch.cat(scores)

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors from which :meth:`from_state_dict` makes the same adapter."""
        tensors = {"center": self.center_D, "scale": self.scale_D}
        for view, (weight_ED, bias_E) in self.heads.items():
            tensors |= {f"{view}.weight": weight_ED, f"{view}.bias": bias_E}
        return {**tensors, "diversity_line": torch.tensor(self.diversity_line).double()}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> LinearAdapter:
        heads = {view: (state[f"{view}.weight"], state[f"{view}.bias"]) for view in VIEWS}
        return cls(
            state["center"], state["scale"], heads, tuple(state["diversity_line"].tolist())
        )


@dataclass(frozen=True)
class Adapted:
    """Linear heads in effect for the corpora and speakers that were adapted to.

    Attributes
    ----------
    plain : (Tensor, Tensor)
        The head without adaptation: weight (E, D) and bias (E,).
    heads : dict
        (corpus, speaker) -> head; (corpus, None) -> head of other speakers of the corpus.
    evidence : list of Evidence
    """

    plain: Head
    heads: Mapping[tuple[Hashable, Hashable | None], Head]
    evidence: list[Evidence]

    def head(self, corpus: Hashable, speaker: Hashable | None = None) -> Head:
        """Weight (E, D) and bias (E,) for embeddings as they are.

        That of the corpus for an unknown speaker, the plain one for an unknown corpus.
        """
        by_corpus = self.heads.get((corpus, None), self.plain)
        return self.heads.get((corpus, speaker), by_corpus)

    @torch.no_grad()
    def scores(
        self,
        embeddings_ND: Tensor,
        corpus_N: Sequence[Hashable],
        speaker_N: Sequence[Hashable] | None = None,
    ) -> Tensor:
        """Log-probabilities (N, E), float64."""
        x_ND = embeddings_ND.double()
        speaker_N = [None] * len(x_ND) if speaker_N is None else speaker_N
        scores_NE = x_ND.new_empty(len(x_ND), len(self.plain[1]))
        for names, rows in _groups(zip(corpus_N, speaker_N, strict=True)).items():
            weight_ED, bias_E = self.head(*names)
            scores_NE[rows] = x_ND[rows] @ weight_ED.T + bias_E
        return scores_NE.log_softmax(1)


def _groups(names) -> dict[Hashable, list[int]]:
    """Name -> rows, in the order of their first row."""
    rows: dict[Hashable, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    return rows


def _balanced(weights_N: Tensor, class_N: Tensor, corpora: Mapping) -> Tensor:
    """Weights with which corpora count alike, and the classes of each."""
    balanced_N = torch.zeros_like(weights_N)
    for rows in corpora.values():
        share_NE = one_hot(class_N[rows]).double() * weights_N[rows, None]
        total_E = share_NE.sum(0)
        present_E = total_E > 0
        factor_E = present_E / total_E.clamp_min(1e-12) / present_E.sum().clamp_min(1)
        balanced_N[rows] = weights_N[rows] * factor_E[class_N[rows]]
    return balanced_N * len(weights_N) / balanced_N.sum()


def _deviation(x_ND: Tensor, wider_D: Tensor) -> Tensor:
    """Standard deviation (D,), its variance shrunk to that of the wider group."""
    kept = (len(x_ND) - 1) / (len(x_ND) - 1 + VARIANCE_CLIPS)
    variance_D = x_ND.var(0, correction=0)
    return (kept * variance_D + (1 - kept) * wider_D).clamp_min(SMALLEST_VARIANCE).sqrt()


def _normalized(x_ND: Tensor, wider_D: Tensor) -> Tensor:
    return (x_ND - x_ND.mean(0)) / _deviation(x_ND, wider_D)


def _of_raw(head: Head, center_D: Tensor, scale_D: Tensor) -> Head:
    """The head that does on ``x`` what ``head`` does on ``(x - center) / scale``."""
    weight_ED, bias_E = head
    weight_ED = weight_ED / scale_D
    return weight_ED, bias_E - weight_ED @ center_D


def _mixed(first: Head, second: Head, share: float) -> Head:
    if share == 0:
        return first
    return tuple((1 - share) * a + share * b for a, b in zip(first, second, strict=True))


def _spread(scores_NE: Tensor) -> float:
    return scores_NE.var(0, correction=0).mean().clamp_min(SMALLEST_VARIANCE).sqrt().item()


def _diversity(scores_NE: Tensor, speakers: Mapping, line: tuple[float, float]) -> dict:
    """Estimated diversity of every speaker's classes, from the spread of her scores."""
    if not speakers or len(scores_NE) < LEAST_CLIPS:
        return dict.fromkeys(speakers, 0.0)
    values_E, axes_EE = torch.linalg.eigh(scores_NE.T.cov())
    white = scores_NE @ (axes_EE[:, 1:] / values_E[1:].clamp_min(SMALLEST_VARIANCE).sqrt())
    freedom = {s: len(r) - 1 for s, r in speakers.items()}
    within = {
        s: white[r].var(0).mean().item() if freedom[s] else 0.0 for s, r in speakers.items()
    }
    total = max(sum(freedom.values()), 1)
    pooled = sum(freedom[s] * value for s, value in within.items()) / total
    intercept, slope = line
    found = {}
    for s in speakers:
        kept = freedom[s] / (freedom[s] + 20)
        phi = kept * within.get(s, 0.0) + (1 - kept) * pooled
        found[s] = min(max((phi - intercept) / slope, 0.0), 1.0)
    return found
