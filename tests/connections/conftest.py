"""What tests of connections share."""

import pytest

from connections.calls import CALLS


@pytest.fixture
def written_later(settings):
    """Calls are counted as in production, and written at the end of the test."""
    settings.CALLS_FLUSH_SECONDS = 3600
    yield
    CALLS.flush()
