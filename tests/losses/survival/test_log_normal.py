import mpmath as mp

import jaxloss
from tests.losses.survival.lifetimes import LIFETIME_SCALES, LOCATIONS, SETS, Law, rows


def tail(z):
    return mp.erfc(z / mp.sqrt(2)) / 2


def hazard(a, z):
    """Of the two sides the one on which the probability of an event between the numbers is computed."""
    if a is None:
        return 0
    low, high = (-z, -a) if a + z < 0 else (a, z)
    return mp.log(tail(low) / tail(high))


LAW = Law(
    survival=tail,
    failure=lambda z: tail(-z),
    density=lambda z: z * z / 2 + mp.log(2 * mp.pi) / 2,
    parts=lambda z: (),
    number=lambda x, t, s: (mp.log(t) - x) / s,
    rate=lambda s: 1 / s,
    hazard=hazard,
)
NUMBERS = [-38, -12, -5, -1, -0.01, 0, 0.3, 2, 4, 20, 100, 1e4]
SPREADS = [1e-6, 1e-3, 0.1, 0.7, 1, 2, 13]
CASES = rows(
    jaxloss.log_normal_nll, jaxloss.LogNormalNLL, LAW, LOCATIONS, {"scale": LIFETIME_SCALES}, NUMBERS, SPREADS, {}, SETS
)
