"""Counts whose zeros are told apart by a gate."""

import numpy as np

from jaxloss.numerics.zeros_apart import (
    hurdle_poisson_log_rate,
    hurdle_poisson_rate,
    zero_inflated_poisson_log_rate,
    zero_inflated_poisson_rate,
)
from tests.numerics.primitives import End

INF = np.inf
ENDS = [
    End(zero_inflated_poisson_log_rate, (-INF, 0.0, 0.0), 0, (0, 0, 0)),
    End(zero_inflated_poisson_rate, (0.0, 0.0, INF), 0, (0, 0, 0)),
    End(zero_inflated_poisson_rate, (1.0, 1.0, INF), INF, (0, 0.42278434, 1)),
    End(hurdle_poisson_log_rate, (-INF, 0.0, 0.0), np.log(2), (0, 0, -0.5)),
    End(hurdle_poisson_log_rate, (-INF, 1.0, -INF), 0, (0, 0.42278434, 0)),
    End(hurdle_poisson_rate, (0.0, 0.0, INF), 0, (0, 0, 0)),
    End(hurdle_poisson_rate, (0.0, 1.0, 0.0), np.log(2), (0.5, 0.42278434, 0.5)),
]
