"""``model.onnx`` in ONNX Runtime: the same scores without torch's kernels.

Shapes: B clips, S samples.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ser_brain.errors import SERError

ONNX = "model.onnx"


class OnnxModel:
    """A graph that ``ser export --onnx`` wrote.

    A graph computes and cannot refuse, so lengths are checked here before it runs.

    Parameters
    ----------
    path : str or Path
    threads : int, optional
        Of a computation; as many as there are cores otherwise.

    Raises
    ------
    SERError
        If the package is missing, or the file is none of ours.
    """

    def __init__(self, path: str | Path, threads: int | None = None):
        require_onnx(["onnxruntime"])
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
            facts = self._session.get_modelmeta().custom_metadata_map
            self.facts = {name: json.loads(text) for name, text in facts.items()}
            self._shortest, self._longest = self.facts["min_samples"], self.facts["max_samples"]
        except Exception as error:  # the library has no common ground for its errors
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise SERError(f"{path} is no graph of `ser export --onnx` ({reason}).") from error
        self._names = [output.name for output in self._session.get_outputs()]

    def __call__(self, waveforms_BS: np.ndarray, lengths_B: np.ndarray) -> dict:
        """Score a padded batch.

        Parameters
        ----------
        waveforms_BS : numpy.ndarray
            float32 at the model's rate; padding may be anything.
        lengths_B : numpy.ndarray
            int64 samples of every clip.

        Returns
        -------
        dict
            Arrays with the names of :meth:`EmotionModel.forward`.

        Raises
        ------
        SERError
            If a length is beyond the batch or the model's limits, or a score is not finite.
        """
        shortest, longest = int(lengths_B.min()), int(lengths_B.max())
        most = min(waveforms_BS.shape[1], self._longest or np.inf)
        if shortest < self._shortest or longest > most:
            raise SERError(
                f"Clips of {shortest} to {longest} samples in a batch of "
                f"{waveforms_BS.shape[1]}; this model takes {self._shortest} to "
                f"{self._longest or 'any number'}."
            )
        given = {"waveforms": waveforms_BS, "lengths": lengths_B}
        found = dict(zip(self._names, self._session.run(None, given), strict=True))
        if not all(np.isfinite(scores).all() for scores in found.values()):
            raise SERError(
                f"The graph of {self.facts['name']} gives scores that are not finite."
            )
        return found


def require_onnx(packages: Sequence[str]) -> None:
    """Stop if a package of the extra ``onnx`` is missing.

    Raises
    ------
    SERError
    """
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise SERError(f"ONNX needs {', '.join(missing)}: pip install 'ser-recipes[onnx]'")
