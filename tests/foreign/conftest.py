"""What the drop-ins add to the native losses does not depend on how good the machine code is."""

import pytest

from tests.compiling import quickly


@pytest.fixture(autouse=True, scope="module")
def compiled_quickly():
    with quickly():
        yield
