"""The rows of both drop-ins, as what tests are asked of."""

import importlib.util

import pytest

from tests import cases
from tests.dropins.rows import kinds, richest
from tests.keras import rows as keras_rows
from tests.torch import rows as torch_rows

ROWS = [*torch_rows.ROWS, *keras_rows.ROWS]
WITH_FORM = [row for row in ROWS if row.has_form]
EACH = ROWS if cases.EVERY else richest(ROWS)
"""Of each function the row with the most options, and every row where all are asked for."""
EACH_FORM = WITH_FORM if cases.EVERY else richest(WITH_FORM)
EACH_KIND = richest(WITH_FORM) if cases.EVERY else kinds(EACH_FORM)
missing = lambda peer: importlib.util.find_spec(peer) is None


def of(rows, beside_peer=False):
    """Asks the test of each of the rows; where that takes the peer, only if it is installed."""
    skipped = lambda row: pytest.mark.skipif(beside_peer and missing(row.peer), reason=f"{row.peer} is not installed")
    parameters = [pytest.param(row, id=f"{row.peer}-{row.id}", marks=skipped(row)) for row in rows]
    return pytest.mark.parametrize("row", parameters)
