"""The logarithm of cosh, and tanh."""

import mpmath as mp
import numpy as np

from jaxloss.numerics.hyperbolic import log_cosh, tanh
from tests.numerics.primitives import REALS, End, Row

TRUTHS = [
    Row(log_cosh, lambda x: mp.log(mp.cosh(x)), REALS, 5, 4),
    Row(tanh, mp.tanh, REALS, 3, 6),
]
ENDS = [
    End(log_cosh, (0.0,), 0, (0,)),
    End(log_cosh, (-np.inf,), np.inf, (-1,)),
]
