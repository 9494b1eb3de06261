"""Each form beside its plain twin: value, first and second derivatives, on the branch of every platform."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxloss.fused._layer import ABSENT, OVERLAP
from jaxloss.numerics import _forms
from tests.compiling import quick
from tests.numerics.branches import on_branch


def _normal(rng, *shape):
    return rng.normal(0, 2, shape).astype(np.float32)


def _logits(rng, classes):
    """Rows with a tie, with a confident class and with one that is nearly impossible."""
    x = _normal(rng, 5, classes)
    x[1, :2], x[2, 0], x[3, 1] = x.max() + 1, 30, -80
    return x


def _exponentials(rng, classes):
    x = _logits(rng, classes)
    e = np.exp(x - x.max(-1, keepdims=True))
    e[4, 0] = 1 - np.finfo(np.float32).epsneg  # the largest number that is no tie
    return e


def _base(x):
    return x.max(-1, keepdims=True)


def _sums(rng):
    return _normal(rng, 5, 1), _normal(rng, 5, 1)


def _shares(rng, classes):
    return rng.dirichlet(np.ones(classes), 5).astype(np.float32)


def _labels(classes):
    return np.int32([[0], [classes - 1], [1], [classes], [2]])  # one is another device's


def _high_at_labels(rng, classes):
    """Scores that are highest at the label and second highest beside it."""
    x = _normal(rng, 5, classes)
    for row, (label,) in zip(x, _labels(classes), strict=True):
        for offset, score in ((0, 11), (1, 10), (-1, 9)):
            row[np.arange(classes) == label + offset] = score
    return x


def _columns_and_labels(classes):
    """A tile whose first two classes an earlier tile has; labels in it, before it, after it and absent."""
    columns = 3 + np.arange(classes)
    columns[:2] = OVERLAP
    return np.int32(columns)[None], np.int32([5, 3 + classes - 1, 4, 3 + classes, ABSENT])


def _permutations(rng, n):
    return np.int32([rng.permutation(n) for _ in range(3)])


def _lesser(rng):
    """Shares of the lesser of two terms, of either sign: frames, batch, counts of labels."""
    return tuple(rng.uniform(0.1, 0.5, (6, 2, 4)).astype(np.float32) * rng.choice([-1, 1], (6, 2, 4)) for _ in range(2))


# The arrays that are differentiated, and the arguments after them.
EXAMPLES = {
    "sum_of_terms": lambda rng, n: ((_normal(rng, 5, n),), (-1,)),
    "joint_sums": lambda rng, n: ((tuple(_normal(rng, 5, n) for _ in range(3)),), (-1,)),
    "sums_of_regions": lambda rng, n: ((tuple(_normal(rng, 5, n) for _ in range(3)),), ((-1,),)),
    "total_and_rest": lambda rng, n: ((_exponentials(rng, n),), (-1,)),
    "total_and_rest_of_logits": lambda rng, n: ((x := _logits(rng, n), _base(x)), (-1,)),
    "sums_of_row": lambda rng, n: ((_logits(rng, n), _shares(rng, n)), (-1,)),
    "label_sums": lambda rng, n: ((_logits(rng, n),), (_labels(n), _shares(rng, n), 1)),
    "look_up": lambda rng, n: ((_normal(rng, n),), (np.int32([[0, n - 1, 1], [2, 2, n]]),)),
    "each_block": lambda rng, n: ((_sums(rng),), (lambda a, b: (a * b, jnp.exp(a)),)),
    "of_rows": lambda rng, n: ((_sums(rng),), (lambda a, b: (a * b, jnp.exp(a)), -1)),
    "as_minimum": lambda rng, n: ((_normal(rng, 5, n),), (1e4,)),
    "stored": lambda rng, n: ((_normal(rng, 5, n),), ()),
    "again": lambda rng, n: ((_normal(rng, 5, n), _normal(rng, 5, n)), ()),
    "below_top": lambda rng, n: ((x := _logits(rng, n), _base(x)), (2,)),
    "exponentials": lambda rng, n: ((_logits(rng, n),), (-1,)),
    "unselected_slope_of_logs": lambda rng, n: ((_logits(rng, n), _normal(rng, 5, n)), (-1,)),
    "tanh_of": lambda rng, n: ((x := _normal(rng, 5, n),), (np.log(np.cosh(np.float64(x))).astype(np.float32),)),
    "expected_gap": lambda rng, n: ((_shares(rng, n), np.log(_shares(rng, n))), (-1,)),
    "expected_gap_of_logs": lambda rng, n: ((np.log(_shares(rng, n)), np.log(_shares(rng, n))), (-1,)),
    "quotient": lambda rng, n: ((_normal(rng, 5, n), np.exp(_normal(rng, 5, n))), ()),
    "softplus_minus": lambda rng, n: ((_normal(rng, 5, n),), ()),
    "highest_other": lambda rng, n: ((_high_at_labels(rng, n),), (_labels(n), 1)),
    "zero_at_label": lambda rng, n: ((_exponentials(rng, n),), (_labels(n), 1)),
    "label_value": lambda rng, n: ((_normal(rng, 5, n),), (_labels(n), 1)),
    "without_label": lambda rng, n: ((_normal(rng, 5, n),), (_labels(n), 1)),
    "sum_without_label": lambda rng, n: ((_exponentials(rng, n),), (_labels(n), 1)),
    "sum_of_others": lambda rng, n: ((_exponentials(rng, n),), (np.arange(n)[None] % 3 == 0,)),
    "unshared_exponentials": lambda rng, n: ((x := _logits(rng, n), _base(x)), ()),
    "posteriors_of": lambda rng, n: ((_lesser(rng),), (np.zeros((2, 4), bool), np.int32([3, 2]))),
    "masked_logits": lambda rng, n: ((_logits(rng, n),), (np.arange(n) % 3 > 0,)),
    "gap_if_steep": lambda rng, n: ((np.exp(_normal(rng, 5, n)), np.exp(_normal(rng, 5, n))), ()),
    "sum_of_rest": lambda rng, n: ((_exponentials(rng, n),), _columns_and_labels(n)),
    "exponentials_with_label": lambda rng, n: ((_logits(rng, n),), (_labels(n), _shares(rng, n), 1)),
    "exponentials_with_targets": lambda rng, n: ((_logits(rng, n), _shares(rng, n)), (-1,)),
    "inverse_permutation": lambda rng, n: ((), (_permutations(rng, n),)),
    "label_logit": lambda rng, n: ((_logits(rng, n),), _columns_and_labels(n)),
}


def _answers(f, arrays, others, tangents):
    """The value, its derivative along a tangent, its gradient, and the derivative of that along the tangent."""
    call = lambda *arrays: f(*arrays, *others)
    if not arrays:  # Integers alone have no derivatives.
        return call(), (), (), ()
    value, along = jax.jvp(call, arrays, tangents)
    gradient = lambda *arrays: jax.vjp(call, *arrays)[1](
        jax.tree.map(lambda v: jnp.cos(jnp.arange(v.size)).reshape(v.shape).astype(v.dtype), value)
    )
    return value, along, *jax.jvp(gradient, arrays, tangents)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_form_is_its_twin_on_every_branch(name):
    """To 16 units in the last place of the largest element: sums are added in another order."""
    form, rng = _forms.FORMS[name], np.random.default_rng(0)
    for size in (5, 300):
        arrays, others = EXAMPLES[name](rng, size)
        arrays = jax.tree.map(jnp.asarray, arrays)
        tangents = jax.tree.map(lambda a: jnp.asarray(_normal(rng, *a.shape)), arrays)
        of = lambda f, a, t, o=others: _answers(f, a, o, t)

        @quick
        def run(a, t, of=of):
            shaped = {branch: on_branch(branch, lambda: of(form.shaped, a, t)) for branch in ("cpu", "cuda", "default")}
            return of(form.twin, a, t), shaped

        plain, shaped = run(arrays, tangents)
        for (branch, answers), (i, what) in itertools.product(
            shaped.items(), enumerate(("value", "along", "gradient", "second"))
        ):
            for a, b in zip(jax.tree.leaves(answers[i]), jax.tree.leaves(plain[i]), strict=True):
                limit = 16 * np.finfo(np.float32).eps * np.max(np.abs(b), initial=1e-30, where=np.isfinite(b))
                np.testing.assert_allclose(a, b, rtol=0, atol=limit, err_msg=f"{what} of {size}, {branch}")


def test_every_form_has_an_example():
    assert sorted(EXAMPLES) == sorted(_forms.FORMS)


def test_infinite_rows_are_those_of_the_twins():
    inf = np.inf
    x = np.float32([[inf, 0, inf, -inf], [-inf, -inf, -inf, -inf], [3e38, -3e38, 0, -inf]])
    x = jnp.asarray(np.pad(x, ((0, 0), (0, 300)), constant_values=-inf))
    base = jnp.clip(jnp.max(x, -1, keepdims=True), -float(np.finfo(np.float32).max), float(np.finfo(np.float32).max))
    top = jnp.max(x, -1, keepdims=True)
    for name, arguments in {
        "total_and_rest_of_logits": (x, base, -1),
        "below_top": (x, top, 2),
        "exponentials": (x, -1),
        "unshared_exponentials": (x, base),
    }.items():
        form = _forms.FORMS[name]
        for a, b in zip(jax.tree.leaves(form.shaped(*arguments)), jax.tree.leaves(form.twin(*arguments)), strict=True):
            np.testing.assert_array_equal(a, b, err_msg=name)


def test_by_platform_takes_the_branch_that_is_set():
    ask = lambda: float(_forms.by_platform(jnp.float32(0), cpu=lambda x: x + 1, default=lambda x: x + 2))
    assert on_branch("cpu", ask) == 1
    assert on_branch("default", ask) == 2
