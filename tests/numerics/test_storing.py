"""What the programs of users store: less with the forms than with their twins; and functions that are kept `apart`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss
from jaxloss.numerics import _forms, elementary, mixture_divergence
from jaxloss.numerics._storing import apart
from tests.compiling import optimized, quick
from tests.numerics.branches import needs_forms, on_branch

ARRAYS = np.float32([0.5, -1.0, 2.0]), np.float32([1.0, 0.25, 3.0]), np.float32([2.0, 1.5, 0.75])
X = jax.ShapeDtypeStruct((1024, 1024), jnp.float32)


def _arrays(loss):
    """How many arrays of the size of x the gradient holds beside its arguments and its results."""
    step = optimized(jax.value_and_grad(lambda x, y: loss(x, y).mean()))
    return round(step.lower(X, X).compile().memory_analysis().temp_size_in_bytes / X.size / 4)


@needs_forms
@pytest.mark.parametrize(
    ("form", "module", "loss"),
    [
        ("as_minimum", elementary, lambda x, k: jaxloss.zero_inflated_poisson_nll(x, k, gate_logits=0.5)),
        ("stored", mixture_divergence, jaxloss.js_divergence_from_logits),
    ],
)
def test_programs_store_less_than_with_the_twin(form, module, loss, monkeypatch):
    shaped = _arrays(loss)
    monkeypatch.setattr(module, form, _forms.FORMS[form].twin)
    jax.clear_caches()
    assert shaped == 1
    assert _arrays(loss) > 1


def _f(x, t, s):
    return jnp.exp((jnp.log(t) - x) / s) + x * jnp.log(t)


def _answers(f):
    """Value, slopes in all arrays, and the curvature in the first two."""
    total = lambda *arrays: f(*arrays).sum()
    slopes = jax.grad(total, (0, 1, 2))
    return quick(lambda *arrays: (f(*arrays), *slopes(*arrays), *jax.hessian(total, (0, 1))(*arrays)[0]))(*ARRAYS)


@pytest.mark.parametrize("branch", ["cpu", "cuda", "default"])
def test_value_slopes_and_curvatures_are_those_of_the_function(branch):
    got = on_branch(branch, lambda: _answers(apart(_f)))
    for one, other in zip(got, _answers(_f), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_the_slopes_are_nan_where_the_first_array_is():
    slope = jax.grad(lambda t: apart(_f)(jnp.float32(np.nan), t, jnp.float32(1.0)))
    assert np.isnan(on_branch("default", lambda: slope(jnp.float32(2.0))))
