"""What a report tells about the data: corpora, split and leakage audit.

``splits`` is everywhere a mapping: part of the run (a fold or seed, or ``run``) -> the content
of its ``splits.json``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ser_brain.core.tables import Table
from ser_brain.data.audit import FIELDS, not_compared, unknown_in
from ser_brain.data.manifest import counted
from ser_brain.data.splits import absence
from ser_brain.reporting.report_tables import noun_of

FACTS = ("version", "licence", "citation", "languages", "style", "fingerprint", "notes")
USES = {"train": "train, validate, test", "test": "test only"}


def corpora(splits: Mapping[str, Mapping]) -> list[dict]:
    """Each corpus with ``title``, ``synthetic``, ``facts``, ``differs`` and ``findings``.

    All are text; ``differs`` is the finding that the copy is not a full one, or empty. A corpus
    that the experiment uses under several names, such as by language, appears once.
    """
    found = []
    for name, card in _described(splits).items():
        facts = {key.capitalize(): card[key] for key in FACTS if card.get(key)}
        corpus = {
            "title": card.get("title") or name,
            "synthetic": bool(card.get("synthetic")),
            "facts": {
                title: ", ".join(fact) if isinstance(fact, list) else str(fact)
                for title, fact in facts.items()
            },
            "differs": differs(card),
            "findings": findings(card),
        }
        if corpus not in found:
            found.append(corpus)
    return found


def _described(splits: Mapping[str, Mapping]) -> dict[str, Mapping]:
    """Name in the experiment -> the description of the corpus."""
    return {name: card for s in splits.values() for name, card in s.get("corpora", {}).items()}


def findings(card: Mapping) -> list[str]:
    """What the preparation of a corpus found; nothing about what it did not check."""
    found = []
    damaged, groups, broken = map(card.get, ("damaged", "same_audio", "known_bad"))
    if different := differs(card):
        found.append(different)
    if damaged:
        counts = [counted(kind, count) for kind, count in damaged.items()]
        found.append(f"Excluded by the preparation: {', '.join(counts)}.")
    elif damaged is not None:
        kinds = "damaged or stray" if different else "damaged, missing or stray"
        found.append(f"The preparation found no {kinds} file.")
    if groups:
        found.append(f"Groups of utterances with the same audio: {groups:,}.")
    elif groups is not None:
        found.append("No two utterances have the same audio.")
    if broken:
        names = [f"{name} ({reason})" for name, reason in broken.items()]
        found.append(f"Known to be broken in every copy: {', '.join(names)}.")
    return found


def differs(card: Mapping) -> str:
    """Where the counts of a copy are not those of a full one; empty if nowhere or unknown."""
    if not card.get("differs"):
        return ""
    found = ", ".join(card["differs"])
    return f"The counts of this copy differ from a full copy (in brackets): {found}."


def used(splits: Mapping[str, Mapping]) -> Table:
    """What the experiment uses of each corpus and what it excludes, by name."""
    described = _described(splits)
    names = dict.fromkeys(name for s in splits.values() for name in s.get("left_out", {}))
    table = Table("data", "What the experiment uses of each corpus.", [])
    table.head = ["Name", "Corpus", "Used to", "Labels", "Utterances", "Excluded"]
    for name in described | names:
        card = described.get(name, {})
        counts = [s["left_out"][name] for s in splits.values() if name in s.get("left_out", {})]
        use = USES.get(card.get("use"), card.get("use"))
        facts = [card.get("title"), use, card.get("label_source"), card.get("utterances")]
        table.rows.append([name, *facts, _excluded(counts)])
    return table


def _excluded(counts: Sequence[Mapping[str, int]]) -> str | None:
    """How many for which reason; where parts differ, from the fewest to the most."""
    reasons = []
    for reason in dict.fromkeys(reason for part in counts for reason in part):
        found = sorted({part.get(reason, 0) for part in counts})
        ends = dict.fromkeys([found[0], found[-1]])
        reasons.append(f"{' to '.join(f'{count:,}' for count in ends)} {reason}")
    return ", ".join(reasons) or None


def split_sizes(splits: Mapping[str, Mapping]) -> Table:
    """Utterances in each part of the split, a column for each fold or seed."""
    sizes = {}
    for name, split in splits.items():
        parts = {part: split[part] for part in ("train", "valid", "test") if part in split}
        parts |= {f"test: {test}": ids for test, ids in (split.get("tests") or {}).items()}
        sizes[name] = {part: len(ids) for part, ids in parts.items()}
    parts = dict.fromkeys(part for found in sizes.values() for part in found)
    head = ["Part", *(sizes if len(sizes) > 1 else ["Utterances"])]
    rows = [[part, *(found.get(part) for found in sizes.values())] for part in parts]
    return Table("split", "Utterances per part.", head, rows)


def audit(splits: Mapping[str, Mapping]) -> Table:
    """What the parts of the split share, summed over folds or seeds."""
    audits = [split.get("audit") or {} for split in splits.values()]
    kinds = list(dict.fromkeys(kind for a in audits for found in a.values() for kind in found))
    rows = []
    for pair in dict.fromkeys(pair for a in audits for pair in a):
        results = [a[pair] for a in audits if pair in a]
        rows.append([pair, *(_total([r.get(kind) for r in results]) for kind in kinds)])
    caption = "Shared between parts of the split. A test of generalisation needs 0."
    if len(audits) > 1:
        caption += f" Summed over {len(audits)} {noun_of(list(splits))}."
    if unknown := not_audited(splits):
        caption += f" {unknown[0].upper()}{unknown[1:]}."
    return Table("audit", caption, ["Parts", *[kind.capitalize() for kind in kinds]], rows)


def not_audited(splits: Mapping[str, Mapping], kinds: Sequence[str] = tuple(FIELDS)) -> str:
    """What the audits of a run or its parts could not compare, as text; empty if nothing."""
    of_parts = [unknown_in(split.get("audit") or {}) for split in splits.values()]
    return not_compared({k: max((found[k] for found in of_parts), default=0) for k in kinds})


def _total(found: Sequence[Mapping | int | None]) -> int | str | None:
    """Sum of counts, marked as ``known`` where something could not be compared."""
    counts = [_count(one) for one in found]
    known = [count for count in counts if count is not None]
    if any(sum(one.get("unknown", ())) for one in found if isinstance(one, Mapping)):
        return f"{sum(known):,} known"
    return sum(known) if known else None


def _count(found: Mapping | int | None) -> int | None:
    return found.get("count") if isinstance(found, Mapping) else found


def absent(splits: Mapping[str, Mapping]) -> list[str]:
    """Warn of classes without an utterance in validation or in the test set of a part."""
    several = len(splits) > 1
    return [
        f"{name}: {absence(part, classes)}" if several else absence(part, classes)
        for name, split in splits.items()
        for part, classes in (split.get("absent") or {}).items()
        if several or part == "valid"  # the evaluation of a whole test set warns itself
    ]


def known_speakers(splits: Mapping[str, Mapping]) -> list[str]:
    """Test parts that share speakers with the training data, such as in a random split."""
    names = [
        pair.removeprefix("train-")
        for split in splits.values()
        for pair, result in (split.get("audit") or {}).items()
        if pair.startswith("train-")
        and pair != "train-valid"
        and _count(result.get("speakers"))
    ]
    return list(dict.fromkeys(names))
