"""The smooth absolute error, at the distance where it turns and at no distance at all."""

import numpy as np

from jaxloss.numerics.smooth_absolute import smooth_l1
from tests.numerics.primitives import End

ENDS = [
    End(smooth_l1, (0.5, 1.0), 0.125, (0.5, -0.125)),
    End(smooth_l1, (-3.0, 2.0), 2, (-1, -0.5)),
    End(smooth_l1, (2.0, 2.0), 1, (1, -0.5)),
    End(smooth_l1, (-3.0, 0.0), 3, (-1, -0.5)),
    End(smooth_l1, (0.0, 0.0), 0, (0, 0)),
    End(smooth_l1, (np.inf, 1.0), np.inf, (1, -0.5)),
]
