"""``train.py`` whose report has sketches for figures, for tests that need a process of it."""

import sys

import train
from ser_brain.reporting.plots import frame
from tests.conftest import sketch

if __name__ == "__main__":
    frame.save = sketch
    sys.exit(train.main())
