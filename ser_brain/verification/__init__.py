"""Whether a run, its folds, a report or an exported model is still what it was."""

from ser_brain.verification.checks import DIFFERS, OK, Check
from ser_brain.verification.folder import verify

__all__ = ["DIFFERS", "OK", "Check", "verify"]
