"""The three experiments, each a :class:`ser_brain.training.brain.SERBrain`.

Files of a folder ``recipes`` where the commands run are found as if they were here.
"""

import os

__path__.append(os.path.abspath("recipes"))
