"""SER Recipes: train, judge, explain and ship models of speech emotion recognition."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # so that editors and type checkers know what __getattr__ gives
    from ser_brain.inference.recognizer import EmotionRecognizer as EmotionRecognizer
    from ser_brain.reporting.notebook import Report as Report

__all__ = ["EmotionRecognizer", "Report", "__version__"]
__version__ = "0.1.0"

HOMES = {"EmotionRecognizer": "inference.recognizer", "Report": "reporting.notebook"}


def __getattr__(name: str) -> object:
    """Import a class on first use: ``EmotionRecognizer`` imports torch, which takes seconds."""
    if name in HOMES:
        return getattr(importlib.import_module(f"ser_brain.{HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
