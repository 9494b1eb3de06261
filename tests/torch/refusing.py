"""Arrays for bad calls of `jaxloss.torch`, and how such a call is refused."""

import jax
import numpy as np

from tests.refusing import refused

X, Y = np.zeros((3, 4), np.float32), np.zeros((3, 4), np.float32)
LABELS, LP = np.zeros(3, np.int32), np.zeros((5, 3, 4), np.float32)


def bad_input_is_refused(loss, arguments, options, error, words):
    message = refused(lambda: jax.eval_shape(lambda: loss(*arguments, **options)), *words, error=error)
    assert message.startswith(f"{loss.__name__}: ")
