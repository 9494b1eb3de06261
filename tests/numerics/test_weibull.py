"""The pieces of Weibull's law."""

import mpmath as mp
import numpy as np

from jaxloss.numerics import weibull
from tests.numerics.pairs import of_a_number
from tests.numerics.primitives import End, Row

POINTS = np.concatenate([np.linspace(-80, 4.4, 120), [-0.37, 0, 1e-3]]).astype(np.float32)
survival, before = of_a_number(weibull.weibull_survival), of_a_number(weibull.weibull_before)
event = of_a_number(weibull.weibull_event)
# Beyond z = 1 the exponential's rounding is a multiple of that of -log F.
TRUTHS = [
    Row(survival, mp.exp, POINTS, 2, 2),
    Row(before, lambda z: -mp.log(-mp.expm1(-mp.exp(z))), POINTS[POINTS < 1], 4, 6),
]
ENDS = [
    End(survival, (-np.inf,), 0, (0,)),
    End(before, (-np.inf,), np.inf, (-1,)),
    End(before, (np.inf,), 0, (0,)),
    End(event, (-np.inf,), np.inf, (-1,)),
]
