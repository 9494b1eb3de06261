import numpy as np
import pytest

import jaxloss
from tests import cases


def test_a_former_name_is_the_present_one_with_a_warning_at_the_callers_line():
    p, t = (
        cases.log_distribution(np.random.default_rng(0), (4, 3)),
        cases.distribution(np.random.default_rng(1), (4, 3)),
    )
    with pytest.warns(DeprecationWarning, match="use generalized_kl_divergence") as found:
        losses = jaxloss.convex_kl_divergence(p, t)
    assert found[0].filename == __file__
    np.testing.assert_array_equal(losses, jaxloss.generalized_kl_divergence(p, t))
