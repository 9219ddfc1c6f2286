"""SER Recipes: train, judge, explain and ship models of speech emotion recognition."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # so that editors and type checkers know what __getattr__ gives
    from ser_brain.inference.recognizer import EmotionRecognizer as EmotionRecognizer

__all__ = ["EmotionRecognizer", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import ``EmotionRecognizer`` on first use: it imports torch, which takes seconds."""
    if name == "EmotionRecognizer":
        return importlib.import_module("ser_brain.inference.recognizer").EmotionRecognizer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
