"""The tail of the Gaussian law."""

import mpmath as mp
import numpy as np

from jaxloss.numerics import gaussian_tail
from tests.numerics.pairs import of_a_number
from tests.numerics.primitives import End, Row

POINTS = np.concatenate([-np.geomspace(1e-3, 40, 60), np.geomspace(1e-3, 1e4, 80), [0, 1, -1]]).astype(np.float32)


def tail(z):
    return mp.erfc(z / mp.sqrt(2)) / 2


def hazard(z):
    return mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi) / tail(z)


survival, excess = of_a_number(gaussian_tail.gaussian_survival), of_a_number(gaussian_tail.gaussian_excess)
of_hazard, event = of_a_number(gaussian_tail.gaussian_hazard), of_a_number(gaussian_tail.gaussian_event)
slope = of_a_number(gaussian_tail.gaussian_hazard_slope)
TRUTHS = [
    Row(survival, lambda z: -mp.log(tail(z)) if z > 0 else -mp.log1p(-tail(-z)), POINTS, 6, 6),
    Row(of_hazard, hazard, POINTS, 6, 8),
    # Their slopes are near 0 for large z, where they cancel.
    Row(excess, lambda z: hazard(z) - z, POINTS, 6, None),
    Row(slope, lambda z: hazard(z) * (hazard(z) - z), POINTS, 8, None),
    Row(event, lambda z: z * z / 2 + mp.log(2 * mp.pi) / 2, POINTS, 2, 1),
]
ENDS = [
    End(survival, (-np.inf,), 0, (0,)),
    End(survival, (np.inf,), np.inf, (np.inf,)),
    End(of_hazard, (-np.inf,), 0, (0,)),
    End(event, (-np.inf,), np.inf, (-np.inf,)),
]
