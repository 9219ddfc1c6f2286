"""SER Recipes: train, judge, explain and ship models of speech emotion recognition."""

import importlib

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import ``EmotionRecognizer`` on first use: it imports torch, which takes seconds."""
    if name == "EmotionRecognizer":
        return importlib.import_module("ser_brain.inference.recognizer").EmotionRecognizer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
