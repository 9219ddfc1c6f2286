"""What SpeechBrain's ``foreign_class`` reads, beside ``config.json`` and the weights."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ser_brain.data.labels import stated
from ser_brain.inference.architecture import BUILT_IN
from ser_brain.inference.model_config import ModelConfig

INTERFACE = Path(__file__).with_name("custom_interface.py")
YAML = """# For SpeechBrain's foreign_class, which runs the code of custom_interface.py: load
# only models that you trust. No base encoder is fetched. See README.md.
# {alias} is custom_interface.py, named after the SHA-256 of its content.
sample_rate_hz: {sample_rate_hz}
emotions: {emotions}
va_range: {va_range}{dimensions}
model: !new:{alias}.EmotionModel
modules:
  model: !ref <model>
pretrainer: !new:{alias}.FolderPretrainer
  loadables:
    model: !ref <model>
"""


def why_no_speechbrain(config: ModelConfig) -> str | None:
    """Why ``foreign_class`` cannot load a model; None if it can."""
    family = config.encoder["family"]
    if family in BUILT_IN:
        return None
    return f"its interface has no {family} encoder"


def speechbrain_files(config: ModelConfig) -> dict[str, str]:
    """``hyperparams.yaml`` and ``custom_interface.py`` as text, if they can load it."""
    if why_no_speechbrain(config) is not None:
        return {}
    source = INTERFACE.read_text(encoding="utf-8")
    alias = f"ser_iface_{hashlib.sha256(source.encode()).hexdigest()[:12]}"
    others = stated(config.dimensions)
    settings = YAML.format(
        alias=alias,
        # JSON is YAML.
        sample_rate_hz=json.dumps(config.sample_rate_hz),
        emotions=json.dumps(config.emotions),
        va_range=json.dumps(config.va_range),
        dimensions="".join(f"\n{k}: {json.dumps(v)}" for k, v in others.items()),
    )
    return {"hyperparams.yaml": settings, INTERFACE.name: source}
