"""What takes seconds to import or compile and every part of ``ser folds`` needs.

The process that the parts are copies of imports this module. Nothing that is imported is ever
garbage, so neither it nor its copies look for any among it: that takes a fifth of the time.
"""

from __future__ import annotations

import gc
import importlib

MODULES = (
    "speechbrain",
    "transformers.models.wav2vec2.modeling_wav2vec2",
    "transformers.models.whisper.modeling_whisper",
    "ser_brain.data.experiment",
    "ser_brain.reporting.report",
    "ser_brain.training.loaders",
    "ser_brain.training.predict_corpus",
    "ser_brain.training.probe",
)
# Templates of the report that each part writes; to compile them takes as long as to fill them.
TEMPLATES = ("base.html", "macros.html", "report.html", "report_details.html", "style.css")

gc.disable()
try:
    for module in MODULES:
        importlib.import_module(module)
    pages = importlib.import_module("ser_brain.reporting.html").pages()
    for template in TEMPLATES:
        pages.get_template(template)
finally:
    gc.freeze()
    gc.enable()
