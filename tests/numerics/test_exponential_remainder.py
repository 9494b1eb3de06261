"""What an exponential has beyond its tangent at 0."""

import mpmath as mp
import numpy as np

from jaxloss.numerics.exponential_remainder import expm1_minus
from tests.numerics.primitives import REALS, End, Row

TRUTHS = [Row(expm1_minus, lambda x: mp.expm1(x) - x, REALS, 4, 4)]
ENDS = [
    End(expm1_minus, (0.0,), 0, (0,)),
    End(expm1_minus, (-np.inf,), np.inf, (-1,)),
    End(expm1_minus, (np.inf,), np.inf, (np.inf,)),
]
