"""Every case under every transformation of JAX, as a function and in its class form."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxloss import _fields
from tests import cases
from tests.cases import Case
from tests.compiling import jit

ROWS, COLUMNS = 4, 3
# Whether transformations agree does not depend on how well the machine code is optimised, which takes half the time.
every_case = pytest.mark.parametrize("case", cases.extremes(), ids=lambda case: case.id)
each_loss = pytest.mark.parametrize("case", cases.richest(), ids=lambda case: case.id)


def _close(got, expected, what, rtol=1e-5):
    """Equal to rounding: of a sum of terms, where the terms are as large as the largest answer."""
    expected = np.asarray(expected)
    assert np.all(np.isfinite(expected)), f"{what}: {expected}"
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol * max(1e-3, np.abs(expected).max()), err_msg=what)


def _inputs(case: Case, batch=(ROWS, COLUMNS)):
    p, t = case.draw(seed=7, batch=batch)
    rng = np.random.default_rng(8)
    weights = rng.uniform(0.5, 2, batch).astype(np.float32)
    u, v = rng.normal(size=(2, *p.shape)).astype(np.float32)
    return p, t, weights, u, v


@every_case
def test_vmap_of_elements_or_rows_equals_the_batched_call(case):
    p, t, *_ = _inputs(case)

    @jit
    def run(p, t):
        return case.loss(p, t), jax.vmap(case.loss, 1, 1)(p, t), jax.vmap(jax.vmap(case.loss))(p, t)

    batched, columns, elements = run(p, t)
    assert batched.shape == (ROWS, COLUMNS)
    _close(columns, batched, "vmap over the batch")
    _close(elements, batched, "vmap over single elements or rows")


@every_case
def test_derivatives_of_every_mode_agree(case):
    p, t, weights, u, v = _inputs(case, batch=(2,))
    form = case.make()

    @jit
    def run(p, t, weights, u, v):
        total = lambda p: (weights * case.loss(p, t)).sum()
        value, gradient = jax.value_and_grad(total)(p)
        along = lambda p: jax.jvp(total, (p,), (u,))[1]
        linear_value, linear = jax.linearize(total, p)

        def micro_batch(sum_so_far, batch):
            q, t, weights = batch
            value, gradient = jax.value_and_grad(lambda q: form.total(q, t, weights=weights)[0])(q)
            return sum_so_far + value, gradient

        accumulated, parts = lax.scan(micro_batch, jnp.zeros((), jnp.float32), (p, t, weights))
        return {
            "values": (value, linear_value, jax.jvp(total, (p,), (u,))[0], accumulated),
            "slopes": (jnp.vdot(gradient, u), along(p), linear(u)),
            "gradients": (gradient, jax.grad(jax.checkpoint(total))(p), parts),
            "forward over reverse": jax.hessian(total)(p),
            "reverse over reverse": jax.grad(lambda p: jnp.vdot(jax.grad(total)(p), u))(p),
            "forward over forward": jax.jvp(along, (p,), (v,))[1],
        }

    got = run(p, t, weights, u, v)
    for what in ("values", "slopes", "gradients"):
        expected, *others = got[what]
        for other in others:
            _close(other, expected, what)
    hessian = np.asarray(got["forward over reverse"]).reshape(p.size, p.size)
    _close(got["reverse over reverse"].ravel(), hessian @ u.ravel(), "reverse over reverse")
    # A bilinear form may cancel: it is as precise as its largest terms.
    scale = np.abs(u.ravel()) @ np.abs(hessian) @ np.abs(v.ravel())
    error = abs(got["forward over forward"] - u.ravel() @ hessian @ v.ravel())
    assert error <= 1e-5 * scale, "forward over forward"


@each_loss
def test_the_class_form_is_a_closure_a_static_argument_and_a_pytree(case):
    p, t, *_ = _inputs(case)
    traces = []

    @partial(jit, static_argnums=0)
    def call(static, dynamic, p, t):
        traces.append(dynamic)
        closure = case.make()
        return case.loss(p, t).mean(), closure(p, t), static(p, t), dynamic(p, t)

    answers = call(case.make(), case.make(), p, t)
    call(case.make(), case.make(), p, t)
    assert len(traces) == 1, "equal instances are traced once"
    assert all(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(traces[0])), "numbers are leaves"
    for what, answer in zip(("closure", "static argument", "pytree"), answers[1:], strict=True):
        _close(answer, answers[0], what)
    other = case.make(reduction="sum")
    assert case.make() != other, "another reduction is another static argument"
    assert jax.tree.structure(case.make()) != jax.tree.structure(other), "another reduction is another pytree"


WITH_OPTIONS = [
    (case, name) for case in cases.programs() for name in _fields.leaf_names(case.form) if name in case.kwargs
]


@pytest.mark.parametrize(("case", "name"), WITH_OPTIONS, ids=[f"{case.id} {name}" for case, name in WITH_OPTIONS])
def test_a_numeric_option_is_swept_by_vmap_and_differentiated(case, name):
    p, t, *_ = _inputs(case)
    step, own = 0.01, np.asarray(case.kwargs[name], np.float32)
    middle = 0.9 * own + np.float32(0.05)  # inside of every option's range
    swept = np.stack([middle - np.float32(step), middle, middle + np.float32(step)])

    @jit
    def run(form, p, t, swept):
        axes = jax.tree.map(lambda _: None, form).replace(**{name: 0})
        along = jax.vmap(lambda form: form(p, t), in_axes=(axes,))(form.replace(**{name: swept}))
        slopes = jax.grad(lambda form: form(p, t))(form.replace(**{name: swept[1]}))
        return along, slopes, case.form(**{**case.kwargs, name: middle.tolist()})(p, t)

    values, slopes, fixed = run(case.make(), p, t, swept)
    _close(values[1], fixed, "swept")
    assert isinstance(slopes, case.form)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(slopes)), slopes
    # Against the symmetric difference, which knows nothing of derivative rules.
    np.testing.assert_allclose(
        np.sum(getattr(slopes, name)), (values[2] - values[0]) / (2 * step), rtol=0.01, atol=1e-4
    )
