"""``hyperparams.yaml`` and ``custom_interface.py`` of a model folder."""

from __future__ import annotations

import hashlib
import json

from ser_brain.encoders.loading import FAMILIES
from ser_brain.inference.bundle import bundle
from ser_brain.inference.model_config import ModelConfig
from ser_brain.inference.transformers_layout import prefixes, projector_shapes

INTERFACE = "ser_brain.inference.speechbrain_interface"
# foreign_class puts every model's folder on the path, where the custom_interface of a second
# model is never found; so the file enters itself under a name that belongs to its content.
ALIAS = """

# ---- the name by which hyperparams.yaml knows this very file
import sys  # noqa: E402
import types  # noqa: E402

_alias = types.ModuleType({alias!r})
vars(_alias).update({{key: value for key, value in globals().items() if key[:2] != "__"}})
sys.modules[{alias!r}] = _alias
"""
YAML = """# For SpeechBrain's foreign_class, which runs the code of custom_interface.py: load
# only models that you trust. No base encoder is fetched. See README.md.
sample_rate_hz: {sample_rate_hz}
emotions: {emotions}
va_range: {va_range}
encoder: !new:{alias}.{encoder_class}
{encoder}
model: !new:{alias}.EmotionModel
  encoder: !ref <encoder>
  emotions: !ref <emotions>
  va_range: !ref <va_range>
modules:
  model: !ref <model>
pretrainer: !new:{alias}.SafetensorsPretrainer
  loadables: {{model: !ref <model>}}
  prefixes: {prefixes}
  ignored: {ignored}
"""


def speechbrain_files(config: ModelConfig) -> dict[str, str]:
    """File name -> text.

    Returns
    -------
    dict
        ``hyperparams.yaml`` and ``custom_interface.py``.
    """
    encoder_class = FAMILIES[config.encoder["family"]]
    source = bundle([encoder_class.__module__, INTERFACE])
    alias = f"ser_iface_{hashlib.sha256(source.encode()).hexdigest()[:12]}"
    settings = YAML.format(
        alias=alias,
        encoder_class=encoder_class.__name__,
        encoder=_indented(_arguments(config)),
        # JSON is YAML.
        sample_rate_hz=json.dumps(config.sample_rate_hz),
        emotions=json.dumps(config.emotions),
        va_range=json.dumps(config.va_range),
        prefixes=json.dumps(prefixes(config)),
        ignored=json.dumps(list(projector_shapes(config))),
    )
    return {
        "hyperparams.yaml": settings,
        "custom_interface.py": source + ALIAS.format(alias=alias),
    }


def _arguments(config: ModelConfig) -> dict:
    """Of the encoder's class."""
    settings = {**config.encoder, "freeze": "all"}
    family = settings.pop("family")
    if "config" in settings:
        settings["config"] = {**settings["config"], "model_type": family}
    return settings


def _indented(arguments: dict) -> str:
    return "\n".join(f"  {key}: {json.dumps(value)}" for key, value in arguments.items())
