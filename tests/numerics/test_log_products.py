"""x log y and its relatives."""

import mpmath as mp
import numpy as np

from jaxloss.numerics.log_products import xlog1py, xlogx, xlogy
from tests.numerics.primitives import POSITIVE, End, Row

TRUTHS = [Row(xlogx, lambda x: x * mp.log(x), POSITIVE, 3, None)]
ENDS = [
    End(xlogx, (0.0,), 0, (-np.inf,)),
    End(xlogy, (0.0, 0.0), 0, (0, 0)),
    End(xlogy, (0.0, 2.0), 0, (np.log(np.float32(2)), 0)),
    End(xlogy, (1.0, 0.0), -np.inf, (-np.inf, np.inf)),
    End(xlog1py, (0.0, -1.0), 0, (0, 0)),
    End(xlog1py, (2.0, 0.0), 0, (0, 2)),
]
