"""Terms of the Jensen-Shannon divergence at the ends of their domain."""

import numpy as np

from jaxloss.numerics.mixture_divergence import js_log_term, js_term
from tests.numerics.primitives import TINY, End

HALF = np.log(np.float32(2))
ENDS = [
    End(js_term, (0.0, 0.0), 0, (0, 0)),
    End(js_term, (0.5, 0.0), 0.25 * HALF, (0.5 * HALF, 0.5 * np.log(4 * TINY))),
    End(js_log_term, (-np.inf, -np.inf), 0, (0, 0)),
]
