"""Powers and their slopes, against arbitrary precision and at 0."""

import mpmath as mp
import numpy as np

from jaxloss.numerics.powers import positive_power
from tests.numerics.primitives import POSITIVE, End, Row

TRUTHS = [
    Row(lambda x: positive_power(x, x.dtype.type(1.75)), lambda x: x ** mp.mpf("1.75"), POSITIVE, 4, 4),
    Row(lambda x: positive_power(x, x.dtype.type(0.5)), lambda x: mp.sqrt(x), POSITIVE, 4, 4),
    Row(lambda r: positive_power(r.dtype.type(0.25), r), lambda r: mp.mpf("0.25") ** r, POSITIVE[POSITIVE < 4], 4, 4),
]
ENDS = [
    End(positive_power, (0.0, 1.0), 0, (1, 0)),
    End(positive_power, (0.0, 2.0), 0, (0, 0)),
    End(positive_power, (0.0, 0.5), 0, (0, 0)),
    End(positive_power, (0.0, 0.0), 1, (0, 0)),
    End(positive_power, (4.0, 0.5), 2, (0.25, 2 * np.log(4))),
]
