"""Fixtures of other packages that the commands are tested with."""

from tests.analysis.conftest import table  # noqa: F401
from tests.publishing.conftest import (  # noqa: F401
    everything_said,
    hub,
    published_folder,
    voice,
)
