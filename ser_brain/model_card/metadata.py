"""The card's metadata: what the hub files a model under."""

from __future__ import annotations

import re

from huggingface_hub import ModelCardData

from ser_brain.errors import SERError
from ser_brain.inference.hub_model import HUB_ID
from ser_brain.model_card.eval_results import TASK, model_index
from ser_brain.model_card.facts import CardFacts
from ser_brain.model_card.languages import UNDETERMINED, hub_code

LIBRARY = "speechbrain"
# The hub's word for a licence that it has no name for; the card then says which bind.
OTHER = "other"
LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]*")
TAGS = ("speech-emotion-recognition", "emotion-recognition", "speech", "audio", "ser-recipes")


def require_licence(licence: str) -> None:
    """Stop at a licence that is no name of the hub's in form.

    Raises
    ------
    SERError
    """
    if not LICENCE.fullmatch(licence):
        raise SERError(
            f"Bad licence {licence!r}; expected the hub's name of one, such as cc-by-4.0, "
            "apache-2.0 or other."
        )


def metadata(facts: CardFacts, licence: str, onnx: bool) -> ModelCardData:
    """The metadata of a card.

    Parameters
    ----------
    facts : CardFacts
    licence : str
        Of the model, as the hub names it.
    onnx : bool
        Whether the folder holds ``model.onnx``.
    """
    results = model_index(facts)
    base = facts.config.card["base_encoder"]
    tags = [*TAGS]
    tags += ["valence-arousal"] if facts.config.va_range else []
    tags += ["onnx"] if onnx else []
    tags += ["synthetic-data"] if facts.synthetic else []
    other = licence == OTHER
    return ModelCardData(
        license=licence,
        license_name="see-the-model-card" if other else None,
        license_link="README.md" if other else None,
        language=list(dict.fromkeys(map(hub_code, facts.languages))) or [UNDETERMINED],
        library_name=LIBRARY,
        pipeline_tag=TASK,
        base_model=base if HUB_ID.fullmatch(base) else None,
        tags=tags,
        metrics=list(dict.fromkeys(result.metric_type for result in results)) or None,
        model_name=facts.config.name,
        eval_results=results,
    )
