"""Adapt a linear classifier to a new corpus, language or speaker by clips without labels.

A linear head learns where emotions lie in the corpora it was trained on. Another language, room
or microphone moves them. Normalising the embeddings by corpus undoes that, and by speaker
undoes more, as long as the clips show all emotions about equally. Where they do not, their mean
*is* the emotion, and removing it destroys the answer. Three heads are fitted here, one for each
way to normalise. A normalisation is believed as far as the head before it already found diverse
emotions in the clips, and as far as both agree; see docs/adapting.md.

Shapes: N clips, D embedding size, E classes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import one_hot

Head = tuple[Tensor, Tensor]
FitHead = Callable[[Tensor, Tensor, Tensor], Head]
Groups = Mapping[Hashable, Sequence[int]]

VIEWS = ("none", "corpus", "speaker")
# All constants were chosen on training corpora by leaving one out; see docs/adapting.md.
CORPUS_CLIPS = 10  # pseudo-clips of the training set in the share of the corpus view
SPEAKER_CLIPS = 4  # pseudo-clips of the corpus in the share of the speaker view
VARIANCE_CLIPS = 20  # pseudo-clips of the wider group in a variance
EVIDENCE_CLIPS = 20  # pseudo-clips of all speakers in the evidence for one
LEAST_CLIPS = 20  # of a corpus, before its speakers are looked at
LEAST_F = 2.0  # variance between speakers over that within them, 1 where names mean nothing
# Where nothing of a view is taken, and where all of it.
CORPUS_EVIDENCE = (0.3, 0.5)  # of diversity squared times agreement
SPEAKER_EVIDENCE = (0.45, 0.55)  # of diversity times agreement
SMALLEST_VARIANCE = 1e-8
CONVERTED = 2**22  # numbers of the clips to adapt to that are float64 at once


@dataclass(frozen=True)
class Evidence:
    """What the clips of a speaker, or of a whole corpus (``speaker`` None), gave reason for.

    Attributes
    ----------
    corpus, speaker : hashable
    clips : int
    factor : float
        Share of the view in the scores, 0 to 1: of the corpus view beside the plain head, or of
        the speaker view beside the corpus view.
    diversity : float
        Probability that two clips differ in the class they are given without the view, by that
        of two clips from all classes alike: 0 for one class, about 1 for all alike.
    agreement : float
        Share of the clips whose class the view leaves as it is.
    """

    corpus: Hashable
    speaker: Hashable | None
    clips: int
    factor: float
    diversity: float
    agreement: float


@dataclass(frozen=True)
class LinearAdapter:
    """Heads for embeddings as they are, normalised by corpus, and by speaker within it.

    Attributes
    ----------
    center_D, scale_D : Tensor
        Mean and standard deviation of the training embeddings.
    heads : dict of str to (Tensor, Tensor)
        View -> weight (E, D) and bias (E,), of normalised embeddings.
    corpora : int
        How many corpora it was fitted on. One does not show what changes between corpora, so
        only speakers are normalised then, within the training corpus.
    """

    center_D: Tensor
    scale_D: Tensor
    heads: Mapping[str, Head]
    corpora: int

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
        scores_NE: Tensor | None = None,
    ) -> LinearAdapter:
        """Fit the heads on labelled clips of some corpora.

        Corpora weigh alike, and within each its classes do. The head of the speaker view is the
        mean of two: of embeddings that are normalised without labels, as they will be later,
        and of embeddings that are freed of what speakers add to the mean of each class, which
        holds for speakers who show few classes as well.

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
        scores_NE : Tensor, optional
            Logits or log-probabilities of these clips, calibrated. The scores of all heads
            spread as widely; where left out, as widely as those of the plain head.
        """
        x_ND = embeddings_ND.double()
        corpora, speakers = _groups(corpus_N), _groups(zip(corpus_N, speaker_N, strict=True))
        weights_N = x_ND.new_ones(len(x_ND)) if weights_N is None else weights_N
        weights_N = _balanced(weights_N.double(), class_N, corpora)
        share_N = weights_N / weights_N.sum()
        center_D = share_N @ x_ND
        scale_D = (share_N @ (x_ND - center_D).square()).clamp_min(SMALLEST_VARIANCE).sqrt()
        variance_D, ones_D = scale_D.square(), torch.ones_like(scale_D)
        by_corpus_ND = _changed(x_ND, corpora, lambda rows, u_ND: _normalized(u_ND, variance_D))
        spread = None if scores_NE is None else _spread(scores_NE)
        plain, spread = _fitted(
            fit_head, (x_ND - center_D) / scale_D, class_N, weights_N, spread
        )
        del x_ND  # every view is as large; as few as possible are there at a time

        def without_speakers(rows: Sequence[int], u_ND: Tensor) -> Tensor:
            theirs = _groups(speaker_N[row] for row in rows)
            return _without_speakers(u_ND, class_N[rows], theirs)

        def like_plain(u_ND: Tensor) -> Head:
            return _fitted(fit_head, u_ND, class_N, weights_N, spread)[0]

        heads = {
            "none": plain,
            # One corpus is not normalised, see `corpora`.
            "corpus": like_plain(by_corpus_ND) if len(corpora) > 1 else plain,
            "speaker": _mixed(
                like_plain(
                    _changed(
                        by_corpus_ND, speakers, lambda rows, u_ND: _normalized(u_ND, ones_D)
                    )
                ),
                like_plain(_changed(by_corpus_ND, corpora, without_speakers)),
                0.5,
            ),
        }
        return cls(center_D, scale_D, heads, len(corpora))

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
            None for a clip of an unknown speaker, who gets the head of the corpus.
        """
        heads, evidence = {}, []
        for corpus, rows in _groups(corpus_N).items():
            speakers = _groups(speaker_N[i] for i in rows) if speaker_N is not None else {}
            speakers.pop(None, None)
            found, facts = self._adapt_corpus(embeddings_ND, torch.tensor(rows), speakers)
            heads |= {(corpus, speaker): head for speaker, head in found.items()}
            evidence += [Evidence(corpus, *fact) for fact in facts]
        return Adapted(self.plain_head(), heads, evidence)

    def plain_head(self) -> Head:
        """Weight (E, D) and bias (E,) for embeddings as they are, without adaptation."""
        return _of_raw(self.heads["none"], self.center_D, self.scale_D)

    def with_plain(self, head: Head) -> LinearAdapter:
        """The same with another head for embeddings as they are, such as the model's own."""
        weight_ED, bias_E = head
        plain = weight_ED * self.scale_D, bias_E + weight_ED @ self.center_D
        return replace(self, heads={**self.heads, "none": plain})

    def _adapt_corpus(
        self, x_ND: Tensor, rows_N: Tensor, speakers: Groups
    ) -> tuple[dict, list]:
        """Heads, and the facts of the evidence for them; speaker None is the whole corpus.

        Speakers have places among the rows of the corpus.
        """
        plain, count, several = self.plain_head(), len(rows_N), self.corpora > 1
        deviation_D, by_corpus = self.scale_D, plain
        if several:
            mean_D, deviation_D = _moments(x_ND, rows_N, self.scale_D.square())
            by_corpus = _of_raw(self.heads["corpus"], mean_D, deviation_D)
        scores_NE = _scores(by_corpus, x_ND, rows_N)
        diversity, agreement = _compare(_scores(plain, x_ND, rows_N), scores_NE)
        believed = _ramp(diversity**2 * agreement, CORPUS_EVIDENCE) if several else 1.0
        factor = believed * (count - 1) / (count - 1 + CORPUS_CLIPS)
        heads = {None: _mixed(plain, by_corpus, factor) if several else plain}
        facts = [(None, count, factor if several else 0.0, diversity, agreement)]

        def by_speaker(theirs_N: Tensor) -> Head:
            moments = _moments(x_ND, theirs_N, deviation_D.square())
            return _of_raw(self.heads["speaker"], *moments)

        compared = {}
        for speaker, places in speakers.items():
            theirs_N = rows_N[places]
            after_NE = _scores(by_speaker(theirs_N), x_ND, theirs_N)
            compared[speaker] = _compare(scores_NE[places], after_NE)
        # Heads of all speakers may be larger than the embeddings, so they are made once more.
        for speaker, (share, *evidence) in _shares(compared, scores_NE, speakers).items():
            heads[speaker] = heads[None]
            if share:
                head = by_speaker(rows_N[speakers[speaker]])
                heads[speaker] = _mixed(plain, _mixed(by_corpus, head, share), factor)
            facts.append((speaker, len(speakers[speaker]), share, *evidence))
        return heads, facts

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors from which :meth:`from_state_dict` makes the same adapter."""
        tensors = {"center": self.center_D, "scale": self.scale_D}
        for view, (weight_ED, bias_E) in self.heads.items():
            tensors |= {f"{view}.weight": weight_ED, f"{view}.bias": bias_E}
        return {**tensors, "corpora": torch.tensor(self.corpora)}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> LinearAdapter:
        heads = {view: (state[f"{view}.weight"], state[f"{view}.bias"]) for view in VIEWS}
        return cls(state["center"], state["scale"], heads, int(state["corpora"]))


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
        count, classes = len(embeddings_ND), len(self.plain[1])
        speaker_N = [None] * count if speaker_N is None else speaker_N
        scores_NE = embeddings_ND.new_empty(count, classes, dtype=torch.float64)
        for names, rows in _groups(zip(corpus_N, speaker_N, strict=True)).items():
            scores_NE[rows] = _scores(self.head(*names), embeddings_ND, torch.tensor(rows))
        return scores_NE.log_softmax(1)


def _groups(names) -> dict[Hashable, list[int]]:
    """Name -> rows, in the order of their first row."""
    rows: dict[Hashable, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    return rows


def _changed(
    x_ND: Tensor, groups: Groups, change: Callable[[Sequence[int], Tensor], Tensor]
) -> Tensor:
    """What becomes of embeddings when those of each group are changed together."""
    changed_ND = torch.empty_like(x_ND)
    for rows in groups.values():
        changed_ND[rows] = change(rows, x_ND[rows])
    return changed_ND


def _fitted(
    fit_head: FitHead,
    u_ND: Tensor,
    class_N: Tensor,
    weights_N: Tensor,
    spread: Tensor | None,
) -> tuple[Head, Tensor]:
    """A head whose scores sum to zero, and their spread: the given one, or its own."""
    weight_ED, bias_E = fit_head(u_ND, class_N, weights_N)
    weight_ED, bias_E = weight_ED - weight_ED.mean(0), bias_E - bias_E.mean()
    own = _spread(u_ND @ weight_ED.T + bias_E)
    spread = own if spread is None else spread
    return (weight_ED * (spread / own), bias_E * (spread / own)), spread


def _spread(scores_NE: Tensor) -> Tensor:
    """Standard deviation over clips of scores, made to sum to zero; the classes' mean."""
    scores_NE = scores_NE.double() - scores_NE.double().mean(1, keepdim=True)
    return scores_NE.var(0, correction=0).mean().sqrt().clamp_min(1e-12)


def _balanced(weights_N: Tensor, class_N: Tensor, corpora: Groups) -> Tensor:
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


def _moments(x_ND: Tensor, rows_N: Tensor, wider_D: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and :func:`_deviation` (D,) of some of the embeddings, float64."""
    found, columns = [], max(1, CONVERTED // len(rows_N))
    for x_Nd, wider_d in zip(x_ND.split(columns, 1), wider_D.split(columns), strict=True):
        x_Nd = x_Nd[rows_N].double()
        found.append((x_Nd.mean(0), _deviation(x_Nd, wider_d)))
    means, deviations = zip(*found, strict=True)
    return torch.cat(means), torch.cat(deviations)


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


def _without_speakers(u_ND: Tensor, class_N: Tensor, speakers: Groups) -> Tensor:
    """Embeddings of one corpus, normalised by speaker as if all showed all of its classes."""
    weight_NE = one_hot(class_N).double()
    weight_NE = weight_NE[:, weight_NE.any(0)]
    mean_ED = (weight_NE.T @ u_ND) / weight_NE.sum(0)[:, None]
    center_D, between_D = mean_ED.mean(0), mean_ED.var(0, correction=0)
    residual_ND = u_ND - weight_NE @ mean_ED
    found_ND = torch.empty_like(u_ND)
    for rows in map(list, speakers.values()):
        count = len(rows)
        offset_D = residual_ND[rows].sum(0) / (count + SPEAKER_CLIPS)
        variance_D = (residual_ND[rows] - offset_D).square().mean(0) + between_D
        kept = (count - 1) / (count - 1 + VARIANCE_CLIPS)
        deviation_D = (kept * variance_D + 1 - kept).sqrt()
        found_ND[rows] = (u_ND[rows] - center_D - offset_D) / deviation_D
    return found_ND


def _scores(head: Head, x_ND: Tensor, rows_N: Tensor) -> Tensor:
    """Scores (N, E) of some of the embeddings, float64."""
    weight_ED, bias_E = head
    parts = rows_N.split(max(1, CONVERTED // x_ND.shape[1]))
    return torch.cat([x_ND[part_N].double() @ weight_ED.T + bias_E for part_N in parts])


def _ramp(value: float, ends: tuple[float, float]) -> float:
    return min(max((value - ends[0]) / (ends[1] - ends[0]), 0.0), 1.0)


def _compare(before_NE: Tensor, after_NE: Tensor) -> tuple[float, float]:
    """Diversity of the classes before, and share of the clips that keep theirs.

    The diversity is the unbiased estimate of Simpson (1949), 0 for a single clip.
    """
    count, classes = before_NE.shape
    before_N = before_NE.argmax(1)
    clips_E = before_N.bincount(minlength=classes).double()
    same = (clips_E * (clips_E - 1)).sum().item() / max(count * (count - 1), 1)
    diversity = (1 - same) * classes / (classes - 1) if count > 1 else 0.0
    return diversity, (before_N == after_NE.argmax(1)).double().mean().item()


def _shares(
    compared: Mapping[Hashable, tuple[float, float]], scores_NE: Tensor, speakers: Groups
) -> dict[Hashable, tuple[float, float, float]]:
    """Speaker -> share of the speaker view, diversity and agreement.

    Parameters
    ----------
    compared : mapping
        What :func:`_compare` finds for the clips of each speaker alone.
    scores_NE : Tensor
        Of all clips of the corpus, by corpus.
    speakers : mapping
        Name -> rows of the scores.
    """
    named = len(scores_NE) >= LEAST_CLIPS and _f_ratio(scores_NE, speakers) >= LEAST_F
    freedom = {speaker: len(rows) - 1 for speaker, rows in speakers.items()}
    total = max(sum(freedom.values()), 1)
    pooled = [sum(freedom[s] * compared[s][i] for s in compared) / total for i in (0, 1)]
    shares = {}
    for speaker, values in compared.items():
        n = freedom[speaker]
        diversity, agreement = (
            (n * own + EVIDENCE_CLIPS * of_all) / (n + EVIDENCE_CLIPS)
            for own, of_all in zip(values, pooled, strict=True)
        )
        believed = _ramp(diversity * agreement, SPEAKER_EVIDENCE) if named else 0.0
        shares[speaker] = believed * n / (n + SPEAKER_CLIPS), diversity, agreement
    return shares


def _f_ratio(scores_NE: Tensor, speakers: Groups) -> float:
    """Mean F ratio of the speakers over the directions of the scores."""
    scores_NE = scores_NE[[row for rows in speakers.values() for row in rows]]
    speakers = _groups(s for s, rows in speakers.items() for _ in rows)  # others do not count
    count, freedom = len(scores_NE), scores_NE.shape[1] - 1  # scores sum to zero
    if len(speakers) < 2 or count - len(speakers) <= freedom:
        return 0.0
    within_EE, between_EE = scores_NE.new_zeros(2, freedom + 1, freedom + 1)
    mean_E = scores_NE.mean(0)
    for rows in speakers.values():
        own_E = scores_NE[rows].mean(0)
        residual_NE = scores_NE[rows] - own_E
        within_EE += residual_NE.T @ residual_NE / (count - len(speakers))
        between_EE += len(rows) * torch.outer(own_E - mean_E, own_E - mean_E)
    between_EE /= len(speakers) - 1
    inverse_EE = torch.linalg.pinv(within_EE, rtol=1e-8, hermitian=True)
    return (inverse_EE @ between_EE).trace().item() / freedom
