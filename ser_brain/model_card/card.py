"""The card of a model folder: README.md, its pictures and the hub's files of results."""

from __future__ import annotations

from pathlib import Path

from ser_brain.files import write_text
from ser_brain.inference.onnx_model import ONNX
from ser_brain.inference.transformers_layout import why_not
from ser_brain.model_card import tables
from ser_brain.model_card.eval_results import write_eval_results
from ser_brain.model_card.facts import CardFacts
from ser_brain.model_card.headline import headline
from ser_brain.model_card.heard import MEANING
from ser_brain.model_card.languages import language_name
from ser_brain.model_card.limits import limits
from ser_brain.model_card.markdown import fill
from ser_brain.model_card.markdown_parts import CARD
from ser_brain.model_card.metadata import OTHER, metadata, require_licence
from ser_brain.model_card.origin import published_command
from ser_brain.model_card.pictures import draw_confusions
from ser_brain.report_data import corpora

# A picture and sentences of its own have the first test sets; the tables have all.
IN_DETAIL = 6


def write_card(folder: Path, facts: CardFacts, licence: str = OTHER) -> None:
    """Write ``README.md``, ``figures/`` and ``.eval_results/``.

    Parameters
    ----------
    folder : Path
        A model folder whose other files are written.
    facts : CardFacts
    licence : str
        Of the model, as the hub names it.

    Raises
    ------
    SERError
        If the licence has no such name, or a file cannot be written.
    """
    require_licence(licence)
    onnx = (folder / ONNX).is_file()
    detailed = list(facts.test_sets)[:IN_DETAIL]
    write_eval_results(folder, facts)
    config = facts.config
    known = corpora({"run": facts.splits})
    trained_on = corpora({"run": {"corpora": facts.corpora}})
    text = fill(
        "model_card.md.j2",
        config=config,
        card=config.card,
        facts=facts,
        licence=licence,
        chosen=licence != OTHER,
        onnx=onnx,
        languages=", ".join(map(language_name, facts.languages)) or "not stated",
        headline=headline(facts),
        marked={
            name: MEANING[heard] for name, heard in facts.heard.items() if heard in MEANING
        },
        results=tables.results(facts),
        recipes=[(found, tables.recipe(found)) for found in facts.recipes],
        pictures=draw_confusions(folder, facts, detailed),
        left_out=len(facts.test_sets) - len(detailed),
        gaps=tables.gaps(facts.test_sets),
        calibration=tables.calibration(facts.test_sets),
        limits=limits(facts, detailed),
        trained_on=trained_on,
        only_tested_on=[corpus for corpus in known if corpus not in trained_on],
        command=published_command(facts.record),
        versions=tables.versions(facts),
        why_not_transformers=why_not(config),
    )
    header = metadata(facts, licence, onnx).to_yaml()
    write_text(folder / CARD, f"---\n{header}\n---\n\n{text}")
