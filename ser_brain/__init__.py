"""SER Recipes: train, judge, explain and ship models of speech emotion recognition."""

import importlib

__version__ = "0.1.0"


HOMES = {"EmotionRecognizer": "inference.recognizer", "Report": "reporting.notebook"}


def __getattr__(name: str) -> object:
    """Import a class on first use: ``EmotionRecognizer`` imports torch, which takes seconds."""
    if name in HOMES:
        return getattr(importlib.import_module(f"ser_brain.{HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
