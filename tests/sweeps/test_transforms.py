"""Every case under every transformation of JAX, as a function and in its class form."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests import cases
from tests.cases import Case
from tests.compiling import quick

ROWS, COLUMNS = 4, 3
# In test_derivatives.py every loss is under `vmap`, and its value, gradient and both Hessian products beside the truth.
of_a_structure = cases.each_structure()
each_case = pytest.mark.parametrize("case", of_a_structure if cases.EVERY else cases.kinds(), ids=lambda case: case.id)
one_of_a_kind = pytest.mark.parametrize("case", cases.each_kind(), ids=lambda case: case.id)


def _close(got, expected, what, rtol=1e-5):
    """Equal to rounding: of a sum of terms, where the terms are as large as the largest answer."""
    expected = np.asarray(expected)
    assert np.all(np.isfinite(expected)), f"{what}: {expected}"
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol * max(1e-3, np.abs(expected).max()), err_msg=what)


def _inputs(case: Case, batch=(ROWS, COLUMNS)):
    arrays = case.draw(seed=7, batch=batch)
    rng = np.random.default_rng(8)
    weights = rng.uniform(0.5, 2, batch).astype(np.float32)
    u, v = rng.normal(size=(2, *arrays[case.predictions].shape)).astype(np.float32)
    return arrays, weights, u, v


@each_case
def test_vmap_of_elements_or_rows_equals_the_batched_call(case):
    arrays, *_ = _inputs(case)
    over = lambda axis: ({k: axis if k in case.batched else None for k in arrays},)

    @quick
    def run(arrays):
        columns = jax.vmap(case.loss, over(1), 1)(arrays)
        return case.loss(arrays), columns, jax.vmap(jax.vmap(case.loss, over(0)), over(0))(arrays)

    batched, columns, elements = run(arrays)
    assert batched.shape == (ROWS, COLUMNS)
    _close(columns, batched, "vmap over the batch")
    _close(elements, batched, "vmap over single elements or rows")


@pytest.mark.parametrize("case", of_a_structure, ids=lambda case: case.id)
def test_derivatives_of_every_mode_agree(case):
    arrays, weights, u, v = _inputs(case, batch=(2,))
    form, name = case.make(), case.predictions
    batched = {k: x for k, x in arrays.items() if k in case.batched and k != name}
    fixed = {k: x for k, x in arrays.items() if k not in case.batched}

    @quick
    def run(p, batched, weights, u, v):
        total = lambda p: (weights * case.loss({**fixed, **batched, name: p})).sum()
        value, gradient = jax.value_and_grad(total)(p)
        along = lambda p: jax.jvp(total, (p,), (u,))[1]
        linear_value, linear = jax.linearize(total, p)

        def micro_batch(sum_so_far, batch):
            q, own, weights = batch
            mean = lambda q: case.reduced(form.total, {**fixed, **own, name: q}, weights=weights)[0]
            value, gradient = jax.value_and_grad(mean)(q)
            return sum_so_far + value, gradient

        accumulated, parts = lax.scan(micro_batch, jnp.zeros((), jnp.float32), (p, batched, weights))
        return {
            "values": (value, linear_value, jax.jvp(total, (p,), (u,))[0], accumulated),
            "slopes": (jnp.vdot(gradient, u), along(p), linear(u)),
            "gradients": (gradient, jax.grad(jax.checkpoint(total))(p), parts),
            "forward over reverse": jax.hessian(total)(p),
            "forward over forward": jax.jvp(along, (p,), (v,))[1],
        }

    p = arrays[name]
    got = run(p, batched, weights, u, v)
    for what in ("values", "slopes", "gradients"):
        expected, *others = got[what]
        for other in others:
            _close(other, expected, what)
    hessian = np.asarray(got["forward over reverse"]).reshape(p.size, p.size)
    # A bilinear form may cancel: it is as precise as its largest terms.
    scale = np.abs(u.ravel()) @ np.abs(hessian) @ np.abs(v.ravel())
    error = abs(got["forward over forward"] - u.ravel() @ hessian @ v.ravel())
    assert error <= 1e-5 * scale, "forward over forward"


@one_of_a_kind
def test_the_class_form_is_a_closure_a_static_argument_and_a_pytree(case):
    drawn, *_ = _inputs(case)
    traces = []

    @partial(jax.jit, static_argnums=0)
    def call(static, dynamic, arrays):
        traces.append(dynamic)
        forms = case.make(), static, dynamic
        mean = case.loss(arrays).sum() / jnp.float32(case.counts(drawn).sum())
        return mean, *(case.reduced(form, arrays) for form in forms)

    answers = call(case.make(), case.make(), drawn)
    call(case.make(), case.make(), drawn)
    assert len(traces) == 1, "equal instances are traced once"
    assert all(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(traces[0])), "numbers are leaves"
    for what, answer in zip(("closure", "static argument", "pytree"), answers[1:], strict=True):
        _close(answer, answers[0], what)
    other = case.make(reduction="sum")
    assert case.make() != other, "another reduction is another static argument"
    assert jax.tree.structure(case.make()) != jax.tree.structure(other), "another reduction is another pytree"


@pytest.mark.parametrize("case", [case for case in cases.each_kind() if case.numeric()], ids=lambda case: case.id)
def test_numeric_options_are_swept_by_vmap_and_differentiated(case):
    arrays, *_ = _inputs(case)
    step = np.float32(0.01)
    middle = {name: 0.9 * own + np.float32(0.05) for name, own in case.numeric().items()}  # inside of every range
    swept = {name: np.stack([value - step, value, value + step]) for name, value in middle.items()}

    @quick
    def run(form, arrays, swept):
        # Not by the constructor, which holds numbers to their ranges, and axes are none.
        base, along = form.replace(**{name: values[1] for name, values in swept.items()}), {}
        for name, values in swept.items():
            axes = jax.tree_util.tree_map_with_path(
                lambda path, _, name=name: 0 if path[-1].name == name else None, form
            )
            mean = jax.vmap(lambda form: case.reduced(form, arrays), in_axes=(axes,))
            along[name] = mean(base.replace(**{name: values}))
        fixed = case.make({name: value.tolist() for name, value in middle.items()})
        return along, jax.grad(lambda form: case.reduced(form, arrays))(base), case.reduced(fixed, arrays)

    along, slopes, fixed = run(case.make(), arrays, swept)
    assert isinstance(slopes, case.form)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(slopes)), slopes
    for name, values in along.items():
        _close(values[1], fixed, f"{name} swept")
        # Against the symmetric difference, which knows nothing of derivative rules.
        difference = (values[2] - values[0]) / (2 * step)
        np.testing.assert_allclose(np.sum(getattr(slopes, name)), difference, rtol=0.01, atol=1e-4, err_msg=name)
