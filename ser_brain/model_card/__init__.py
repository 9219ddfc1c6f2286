"""Model cards: README.md of a model folder, made of results, and its check."""

from ser_brain.model_card.card import write_card
from ser_brain.model_card.facts import CardFacts, gather
from ser_brain.model_card.validation import validate

__all__ = ["CardFacts", "gather", "validate", "write_card"]
