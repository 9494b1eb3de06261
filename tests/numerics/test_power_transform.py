"""(1 - p^q) / q, at its ends in p and in q."""

import mpmath as mp
import numpy as np

from jaxloss.numerics.power_transform import box_cox
from tests.numerics.primitives import End, Row

PROBABILITIES = np.concatenate([10.0 ** np.arange(-8, -0.2, 0.4), 1 - 2.0 ** -np.arange(2, 24)]).astype(np.float32)


def of_power(q):
    row = lambda p: box_cox(p, p.dtype.type(q))
    row.__name__ = f"box_cox_{q}"
    return row


TRUTHS = [
    Row(of_power(q), lambda p, q=q: (1 - p ** mp.mpf(q)) / mp.mpf(q), PROBABILITIES, 8, 8) for q in (0.5, 2**-10, 1.0)
]
ENDS = [End(box_cox, (1.0, 0.5), 0, (-1, 0)), End(box_cox, (0.0, 1.0), 1, (-1, -1))]
