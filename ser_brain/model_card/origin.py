"""How a model came to be, as strangers may read it: nobody's folders are published."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

# A path that says where something lies on a machine; names below the project's own folder, such
# as hparams/classification.yaml, say no more than the project does.
PLACE = re.compile(r"(?<![\w.])(?:~|\.{1,2})?/(?:[^\s/,\]}'\"]*/)*")


def published_command(record: Mapping) -> str | None:
    """The command of a run, with folders cut to their last name.

    Examples
    --------
    >>> published_command({"command": "python /home/me/train.py a/b.yaml --data_folder=~/c/d"})
    'python .../train.py a/b.yaml --data_folder=.../d'
    """
    command = record.get("command")
    if not command:
        return None
    try:
        words = shlex.split(command)
    except ValueError:  # Not written by a shell's rules: cut as it stands.
        return PLACE.sub(".../", command)
    return shlex.join(PLACE.sub(".../", word) for word in words)
