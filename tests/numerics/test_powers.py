"""Powers and their slopes, against arbitrary precision and at 0."""

import mpmath as mp
import numpy as np

from jaxloss.numerics.powers import positive_power, power, signed_power
from tests.numerics.primitives import POSITIVE, REALS, End, Row

TRUTHS = [
    Row(lambda x: power(x, x.dtype.type(2.5)), lambda x: abs(x) ** mp.mpf("2.5"), REALS, 4, 4),
    Row(lambda x: signed_power(x, x.dtype.type(2.5)), lambda x: mp.sign(x) * abs(x) ** mp.mpf("2.5"), REALS, 4, 4),
    Row(lambda x: positive_power(x, x.dtype.type(1.75)), lambda x: x ** mp.mpf("1.75"), POSITIVE, 4, 4),
    Row(lambda x: positive_power(x, x.dtype.type(0.5)), lambda x: mp.sqrt(x), POSITIVE, 4, 4),
    Row(lambda r: positive_power(r.dtype.type(0.25), r), lambda r: mp.mpf("0.25") ** r, POSITIVE[POSITIVE < 4], 4, 4),
]
ENDS = [
    End(power, (0.0, 2.0), 0, (0, 0)),
    End(power, (0.0, 1.0), 0, (0, 0)),
    End(power, (0.0, 0.0), 1, (0, 0)),
    End(signed_power, (-2.0, 2.0), -4, (4, -4 * np.log(2))),
    End(positive_power, (0.0, 1.0), 0, (1, 0)),
    End(positive_power, (0.0, 2.0), 0, (0, 0)),
    End(positive_power, (0.0, 0.5), 0, (0, 0)),
    End(positive_power, (0.0, 0.0), 1, (0, 0)),
    End(positive_power, (4.0, 0.5), 2, (0.25, 2 * np.log(4))),
]
