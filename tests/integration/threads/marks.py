"""How a test names the servers it loads."""

from operator import attrgetter

import pytest

from .loads import Load


def loaded_on(*loads: Load) -> pytest.MarkDecorator:
    """Run a test on each of the servers, as its fixture `loaded`."""
    return pytest.mark.parametrize("loaded", loads, indirect=True, ids=attrgetter("name"))


def loaded_alone_on(*loads: Load) -> pytest.MarkDecorator:
    """Run a test on each of the servers, started for this test, as its fixture `own_loaded`."""
    return pytest.mark.parametrize("own_loaded", loads, indirect=True, ids=attrgetter("name"))
