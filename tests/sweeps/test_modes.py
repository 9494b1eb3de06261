"""A loss says the same however it is run: eagerly, compiled, without `jit`, with nan refused on the way, in float64."""

import contextlib
import logging

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests import cases, ulp
from tests.cases import Case
from tests.compiling import jit, quick
from tests.sweeps.programs import losses_and_slopes
from tests.sweeps.test_accuracy import exact

one_of_each = pytest.mark.parametrize("case", cases.richest(), ids=lambda case: case.id)
OF_A_KIND = {case.fn for case in cases.each_kind()}
each_if_slow = pytest.mark.parametrize("case", cases.each_if_slow(), ids=lambda case: case.id)


def _call(case: Case):
    """Losses and the gradient of their masked, weighted mean in every array, as functions of arrays alone."""

    def losses(arrays, where=None):
        return case.loss(arrays, where=where)

    def gradient(arrays, where=None, weights=None):
        smooth = {k: arrays[k] for k in case.differentiable}
        form = case.make()
        mean = lambda smooth: case.reduced(form, {**arrays, **smooth}, where=where, weights=weights)
        return jax.value_and_grad(mean)(smooth)

    return losses, gradient


def _on_device(arrays):
    return jax.tree.map(jnp.asarray, arrays)


def _at_valid_ends(case: Case):
    """Samples at the finite and infinite ends of each array's domain, where the loss itself is finite; and ordinary."""
    ordinary, arrays = case.draw(seed=43), case.draw(seed=42)
    for name, domain in case.arrays.items():
        if domain.batched:
            for i, end in enumerate(domain.ends):
                arrays[name][(i, 0) if arrays[name].ndim == 2 else i] = end
    with jax.debug_nans(False):
        losses = np.asarray(jit(case.loss)(arrays))
    fine = np.isfinite(losses)
    for name in case.batched:
        arrays[name][~fine] = ordinary[name][~fine]
    return arrays


# Eager slopes of every loss are in test_no_nan_is_made_on_the_way, and in test_eager_meshes.py with their truth.
@pytest.mark.parametrize("case", cases.each_structure(), ids=lambda case: case.id)
def test_eager_compiled_and_without_jit(case):
    case = case.sized(t=4, s=1)  # without `jit` each frame is a step of Python's
    arrays = _on_device(case.draw(seed=41))
    where = jnp.arange(cases.BATCH) % 3 != 1
    losses, gradient = _call(case)
    ways = {
        "compiled": lambda: jit(lambda *inputs: (losses(*inputs), gradient(*inputs)))(arrays, where),
        "eager": lambda: (losses(arrays, where), gradient(arrays, where)),
    }
    expected = ways["compiled"]()
    got = {"eager": ways["eager"]()}
    with jax.disable_jit():
        got["without jit"] = ways["eager"]()
    for way, answers in got.items():
        for a, b in zip(jax.tree.leaves(answers), jax.tree.leaves(expected), strict=True):
            scale = np.abs(np.asarray(b)).max(initial=0)
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6 * scale, err_msg=way)


@each_if_slow
def test_no_nan_is_made_on_the_way(case):
    """Under `jax_debug_nans` a user is shown their own line: valid input raises nowhere, eagerly nor compiled."""
    ordinary, hard = case.draw(seed=43), _at_valid_ends(case)
    where = np.arange(cases.BATCH) % 3 != 1
    bad = lambda k: case.arrays[k].bad
    hidden = {k: x.copy() for k, x in ordinary.items()}
    for k in case.batched:
        hidden[k][~where] = bad(k)
    losses, gradient = _call(case)
    numeric = case.numeric()
    hidden = _on_device(hidden)  # before nans are looked for: to make an array of them is the user's own line

    def run(arrays, mask, numeric):
        in_options = jax.grad(lambda numeric: case.loss(arrays, numeric, where=mask).sum())
        return losses(arrays, mask), gradient(arrays, mask), in_options(numeric)

    with jax.debug_nans(True):
        for what, arrays, mask, ways in (
            ("at the ends", hard, None, (run, jit(run)) if cases.EVERY else (jit(run),)),
            ("masked", hidden, where, (run, jit(run))),
        ):
            for how in ways:
                try:
                    how(arrays, mask, numeric)
                except FloatingPointError as error:
                    pytest.fail(f"{case.id}, {what}, {'eager' if how is run else 'compiled'}: {error}")


def test_a_nan_of_ones_own_is_blamed_on_ones_own_line():
    @jax.jit
    def step(x):
        mine = jnp.log(x - 2)  # -1
        return jaxloss.SigmoidBinaryCrossEntropy()(x, jnp.ones(3)) + jnp.sum(mine)

    with jax.debug_nans(True), pytest.raises(FloatingPointError, match=r"\blog\b"):
        step(jnp.ones(3))


@contextlib.contextmanager
def _compilations():
    """The names of what is compiled in this context."""
    found = []

    class Handler(logging.Handler):
        def emit(self, record):
            message = record.getMessage()
            if message.startswith("Finished XLA compilation"):
                found.append(message)

    logger, handler = logging.getLogger("jax._src.dispatch"), Handler()
    level, spread = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        with jax.log_compiles(True):
            yield found
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = level, spread


@each_if_slow
def test_a_second_eager_call_compiles_nothing(case):
    arrays = _on_device(case.draw(seed=44))
    losses, gradient = _call(case)
    losses(arrays)
    gradient(arrays)
    with _compilations() as found:
        losses(arrays)
        gradient(arrays)
    assert not found


def test_compilations_are_counted():
    with _compilations() as found:
        jax.jit(lambda x: x + 1.25)(jnp.zeros(3))
    assert found


# ------------------------------------------------------------------------------------------------------------ dtypes


@one_of_each
def test_float64_stays_and_is_as_exact(case):
    """Under x64, with strict promotion: no constant or index of another type meets what was given.

    In the quick tier every loss is asked whether float32 stays float32 there, and each kind for the same answers.
    """
    arrays, numeric = case.draw(seed=45), case.numeric()
    narrow = np.asarray(losses_and_slopes(case, arrays)[0]) if case.fn in OF_A_KIND else None
    with jax.enable_x64(True):
        wide = {k: x.astype(np.float64 if case.arrays[k].differentiable else np.int64) for k, x in arrays.items()}
        options = {k: np.float64(v) for k, v in numeric.items()}

        def step(wide, options):
            def mean(smooth):
                own, traced = case.parted(smooth, wide)
                return case.reduced(case.make(traced), own)

            return jax.value_and_grad(mean)({k: wide[k] for k in case.differentiable} | options)

        losses = quick(case.loss, case)(wide, options)
        # A slope of another type is seen by tracing; how exact it is, is asked in float32 in test_derivatives.py.
        mean, slopes = jax.eval_shape(step, wide, options)
        assert losses.dtype == mean.dtype == np.float64
        assert all(slope.dtype == np.float64 for slope in slopes.values())
        again = (
            jax.eval_shape(case.loss, arrays, numeric) if narrow is None else quick(case.loss, case)(arrays, numeric)
        )
        assert again.dtype == np.float32, "float32 stays float32 under x64"
    if narrow is not None:
        np.testing.assert_allclose(again, narrow, rtol=1e-6)
        np.testing.assert_allclose(losses, narrow, rtol=1e-5, atol=1e-6)
    _check_float64(case, wide, options, np.asarray(losses))


def _check_float64(case, wide, options, losses):
    mp.mp.dps = 40
    given = {**{k: v for k, v in case.given().items() if k not in options}, **{k: exact(v) for k, v in options.items()}}
    for i in range(3):
        sample = [exact(x[i] if case.arrays[k].batched else x) for k, x in wide.items()]
        truth = case.oracle(*sample, **given)
        size = max(abs(truth), 1)
        assert abs(ulp.exact(losses[i]) - truth) < 1e-13 * size, f"{case.id}: {losses[i]} for {mp.nstr(truth, 20)}"


@one_of_each
def test_python_numbers_and_lists_are_arrays(case):
    """What a notebook has at hand: lists, NumPy's scalars, integers for targets.

    In the quick tier every loss takes them, and of each kind of inputs the eager answers are looked at.
    """
    arrays = case.draw(seed=46)
    as_lists = {k: x.tolist() for k, x in arrays.items()}
    run = lambda: (case.loss(as_lists), case.reduced(case.make(), as_lists))
    if case.fn not in OF_A_KIND:
        losses, mean = jax.eval_shape(run)
        assert (losses.dtype, mean.dtype, mean.shape) == (np.float32, np.float32, ())
        return
    losses, mean = run()
    expected, _ = losses_and_slopes(case, arrays)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    np.testing.assert_allclose(mean, np.asarray(expected).sum() / case.counts(arrays).sum(), rtol=1e-5)
