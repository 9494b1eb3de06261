"""The exponential law of lifetimes."""

import numpy as np

from jaxloss.numerics.exponential_law import (
    exponential_event,
    exponential_event_by_scale,
    exponential_survival,
    exponential_survival_by_scale,
)
from tests.numerics.primitives import End

ENDS = [
    End(exponential_survival, (-100.0, 1e-40), 0, (0, np.inf)),
    End(exponential_survival, (-60.0, 1e-20), np.exp(60 - 20 * np.log(10)), (-1142007.4, 1.1420074e26)),
    End(exponential_survival, (np.inf, 2.0), 0, (0, 0)),
    End(exponential_survival, (-np.inf, 0.0), 0, (0, np.inf)),
    End(exponential_event, (-np.inf, 2.0), np.inf, (-np.inf, np.inf)),
    End(exponential_event, (np.inf, 2.0), np.inf, (1, 0)),
    End(exponential_event_by_scale, (2.0, 2.0), 1 + np.log(2), (0, 0.5)),
    End(exponential_survival_by_scale, (1e30, 1e30), 1, (-1e-30, 1e-30)),
]
