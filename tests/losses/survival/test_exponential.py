import jaxloss
from tests.losses.survival.lifetimes import LIFETIME_SCALES, LOCATIONS, SETS, rows
from tests.losses.survival.test_weibull import LAW as WEIBULL
from tests.losses.survival.test_weibull import NUMBERS, number

LAW = WEIBULL._replace(number=lambda x, t, _, log_input=True: number(x, t, 1, log_input), rate=lambda _: 1)


def _rows(predictions, sets, options):
    fn, form, bad = jaxloss.exponential_nll, jaxloss.ExponentialNLL, {"log_input": (1, "yes")}
    return rows(fn, form, LAW, predictions, {}, NUMBERS, [1.0], options, sets, bad_options=bad)


CASES = [*_rows(LOCATIONS, SETS, {}), *_rows(LIFETIME_SCALES, ("plain", "entry"), {"log_input": False})]
