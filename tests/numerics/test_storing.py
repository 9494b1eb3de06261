"""Which results the programs of users store: fewer with the forms than with their twins."""

import jax
import jax.numpy as jnp
import pytest

import jaxloss
from jaxloss.numerics import _forms, elementary, mixture_divergence
from tests.compiling import optimized
from tests.numerics.branches import needs_forms

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
