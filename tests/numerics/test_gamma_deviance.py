"""Half the deviance of gamma laws."""

import numpy as np

from jaxloss.numerics.gamma_deviance import half_gamma_log_mean, half_gamma_mean
from tests.numerics.primitives import End

INF = np.inf
ENDS = [
    End(half_gamma_mean, (3.0, 3.0), 0, (0, 0)),
    End(half_gamma_mean, (0.0, 3.0), INF, (-INF, INF)),
    End(half_gamma_mean, (INF, 2.0), INF, (0, 0)),
    End(half_gamma_log_mean, (-INF, 3.0), INF, (-INF, INF)),
    End(half_gamma_log_mean, (INF, 2.0), INF, (1, -0.5)),
]
