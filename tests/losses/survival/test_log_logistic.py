import mpmath as mp

import jaxloss
from tests.losses.survival.lifetimes import LIFETIME_SCALES, LOCATIONS, SETS, Law, rows

LAW = Law(
    survival=lambda z: 1 / (1 + mp.exp(z)),
    failure=lambda z: 1 / (1 + mp.exp(-z)),
    density=lambda z: mp.log1p(mp.exp(z)) + mp.log1p(mp.exp(-z)),
    parts=lambda z: (1,),
    number=lambda x, t, s: (mp.log(t) - x) / s,
    rate=lambda s: 1 / s,
    hazard=lambda a, z: 0,
)
NUMBERS = [-60, -20, -5, -1, -0.01, 0, 0.3, 2, 4, 20, 100, 1e4]
SPREADS = [1e-6, 1e-3, 0.1, 0.7, 1, 2, 13]
CASES = rows(
    jaxloss.log_logistic_nll,
    jaxloss.LogLogisticNLL,
    LAW,
    LOCATIONS,
    {"scale": LIFETIME_SCALES},
    NUMBERS,
    SPREADS,
    {},
    SETS,
)
