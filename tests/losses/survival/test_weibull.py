import mpmath as mp

import jaxloss
from tests.losses.survival.lifetimes import LIFETIME_SCALES, LOCATIONS, SETS, SHAPES, Law, rows


def number(x, t, k, log_input=True):
    return k * (mp.log(t) - (x if log_input else mp.log(x)))


LAW = Law(
    survival=lambda z: mp.exp(-mp.exp(z)),
    failure=lambda z: -mp.expm1(-mp.exp(z)),
    density=lambda z: mp.exp(z) - z,
    parts=lambda z: (mp.exp(z), 1),
    number=number,
    rate=lambda k: k,
    hazard=lambda a, z: mp.exp(z) - (0 if a is None else mp.exp(a)),
)
NUMBERS = [-60, -20, -5, -1, -0.01, 0, 0.3, 2, 4, 20, 60]
CONCENTRATIONS = [1e-6, 0.1, 0.7, 1, 2, 13, 1e3, 1e6]


def _rows(predictions, sets, options):
    fn, form, shape = jaxloss.weibull_nll, jaxloss.WeibullNLL, {"concentration": SHAPES}
    bad = {"log_input": (1, "yes")}
    return rows(fn, form, LAW, predictions, shape, NUMBERS, CONCENTRATIONS, options, sets, bad_options=bad)


CASES = [*_rows(LOCATIONS, SETS, {}), *_rows(LIFETIME_SCALES, ("plain", "entry"), {"log_input": False})]
