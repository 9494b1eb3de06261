"""Classes over devices beyond what test_devices.py asks of every such loss: other meshes, what is sent, special values.

Of the cross-entropies of logits alone: those of a last layer are in tests/devices/test_linear_devices.py.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import checkify
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

import jaxloss
from tests import cases
from tests.compiling import jit, sent

LABELS, DENSE = jaxloss.SoftmaxCrossEntropyWithIntegerLabels, jaxloss.SoftmaxCrossEntropy
BATCH, CLASSES = 16, 24


def _inputs():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(BATCH, CLASSES)).astype(np.float32)
    indices = rng.integers(0, CLASSES, BATCH).astype(np.int32)
    distributions = cases.distribution(rng, (BATCH, CLASSES))
    weights = rng.uniform(0.2, 3, BATCH).astype(np.float32)
    rows, elements = rng.random(BATCH) < 0.7, rng.random((BATCH, CLASSES)) < 0.8
    return logits, indices, distributions, weights, rows, elements, rng.uniform(0.5, 2, CLASSES).astype(np.float32)


LOGITS, INDICES, DISTRIBUTIONS, WEIGHTS, ROWS, ELEMENTS, CLASS_WEIGHTS = _inputs()
ELEMENTS[np.arange(BATCH), INDICES] = True
ELEMENTS[0], ELEMENTS[1, INDICES[1]] = False, False  # nothing left, and everything but the label
ELEMENTS[2], INDICES[2] = np.arange(CLASSES) >= 18, 20  # something on one device alone
INDICES[3] = -100
NUMBERS = {"label_smoothing": np.float32(0.1), "z_loss": np.float32(1e-2), "class_weights": CLASS_WEIGHTS}
SEVERAL, ONE = ("data", "model"), "model"


def mesh_of(*sizes, kind=AxisType.Auto):
    return jax.make_mesh(sizes, SEVERAL[-len(sizes) :], axis_types=(kind,) * len(sizes))


def same(got, expected, limit, what="", terms=0.0):
    """The largest error is below the limit times the largest answer; of a sum that cancels, times its terms."""
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype, what
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        size = np.abs(b).max()
        assert np.abs(a - b).max() <= limit * (size if b.ndim else max(size, terms)), what


# ------------------------------------------------------------------------------------------------ derivatives, options


# test_devices.py has the classes on one axis, all options, and the gradient outside of a checked `shard_map`.
WAYS = [
    (LABELS, NUMBERS, ELEMENTS, ONE, True),
    (DENSE, {}, ROWS, SEVERAL, False),
    (LABELS, {}, ROWS, SEVERAL, False),
    (DENSE, NUMBERS, ELEMENTS, ONE, False),
    (DENSE, {}, ROWS, SEVERAL, True),
]


@pytest.mark.parametrize(("form", "options", "where", "axes", "check_vma"), WAYS if cases.EVERY else WAYS[:2])
def test_value_and_derivatives_are_those_of_one_device(form, options, where, axes, check_vma):
    """In the logits, distributions and options; the batch is over what the classes leave of the mesh."""
    batch = None if axes == SEVERAL else "data"
    y = INDICES if form is LABELS else DISTRIBUTIONS
    structure = {"ignore_index": -100} if form is LABELS else {}
    of_all = {"logits": LOGITS, "targets": y, "options": options}
    fixed = {"weights": WEIGHTS, "where": where}

    if form is LABELS:
        fixed["targets"] = of_all.pop("targets")

    def loss(point, fixed, **names):
        arrays = {**fixed, **point}
        own = form(**structure, **names, **arrays.pop("options"))
        return own(arrays.pop("logits"), **arrays)

    def specs(tree):
        """As long as the classes are: over them; as long as the batch is: over it."""
        of = {BATCH: batch, CLASSES: axes}
        return jax.tree.map(lambda a: P(*(of[n] for n in a.shape)), tree)

    in_specs = specs(of_all), specs(fixed)
    on_mesh = partial(jax.shard_map, mesh=mesh_of(2, 4), in_specs=in_specs, check_vma=check_vma)
    own = partial(loss, axis_name=batch, vocab_axis_name=axes)
    draw = np.random.default_rng(1)
    direction = jax.tree.map(lambda a: jnp.float32(draw.normal(size=a.shape)), of_all)

    def derivatives(f):
        def run(point, fixed):
            f_of = lambda point: f(point, fixed)
            gradient, curvature = jax.jvp(jax.grad(f_of), (point,), (direction,))
            return jax.jvp(f_of, (point,), (direction,)), gradient, curvature

        return run

    outside, inside = derivatives(on_mesh(own, out_specs=P())), on_mesh(jax.grad(own), out_specs=specs(of_all))
    got, inside = jit(lambda *a: (outside(*a), inside(*a)))(of_all, fixed)
    expected = jit(derivatives(loss))(of_all, fixed)
    terms = float(expected[0][0])
    # Two Hessian products that are rounded apart, each within 4e-7 of that of float64.
    limits = {"value and jvp": 5e-7, "gradient": 5e-7, "Hessian product": 1e-6}
    for (what, limit), a, b in zip(limits.items(), got, expected, strict=True):
        same(a, b, limit, what, terms)
    if not check_vma:  # each device has as many times its part of the gradient as there are devices
        inside, expected = ({"logits": g["logits"]} for g in (inside, jax.tree.map(lambda g: 8 * g, expected[1])))
        same(inside, expected, 5e-7, "unchecked inside")
    else:
        same(inside, expected[1], 5e-7, "gradient inside", terms)


def test_class_weights_of_all_classes_are_cut():
    """So that a form that holds them can be called where the logits are cut."""
    mesh = mesh_of(8)
    for form, y, spec in ((LABELS, abs(INDICES) % CLASSES, P()), (DENSE, DISTRIBUTIONS, P(None, ONE))):
        loss = form(class_weights=NUMBERS["class_weights"], label_smoothing=0.1)
        own = jax.shard_map(loss.replace(vocab_axis_name=ONE), mesh=mesh, in_specs=(P(None, ONE), spec), out_specs=P())
        same(jit(own)(LOGITS, y), jit(loss)(LOGITS, y), 5e-7)


def test_mesh_axes_that_are_not_manual():
    """The batch left to XLA, or to the types of the arrays, while the classes are cut."""
    loss = LABELS(label_smoothing=0.1, ignore_index=-100)
    expected = jit(jax.value_and_grad(loss))(LOGITS, INDICES)
    for kind in (AxisType.Auto, AxisType.Explicit):
        mesh = mesh_of(2, 4, kind=kind)
        own = loss.replace(vocab_axis_name=ONE)
        on_mesh = jax.shard_map(own, mesh=mesh, in_specs=(P(None, ONE), P()), out_specs=P(), axis_names={ONE})
        put = [
            jax.device_put(a, jax.NamedSharding(mesh, spec))
            for a, spec in ((LOGITS, P("data", ONE)), (INDICES, P("data")))
        ]
        same(jit(jax.value_and_grad(on_mesh))(*put), expected, 5e-7, kind)


def test_only_a_few_numbers_of_each_row_are_sent():
    for form, y, spec in ((LABELS, INDICES, P()), (DENSE, DISTRIBUTIONS, P(None, ONE))):
        own = lambda x, y, where, w, form=form: form(
            label_smoothing=0.1, z_loss=1e-2, class_weights=w, vocab_axis_name=ONE
        )(x, y, where=where)
        specs = P(None, ONE), spec, P(None, ONE), P(ONE)
        on_mesh = jax.shard_map(own, mesh=mesh_of(8), in_specs=specs, out_specs=P())
        arrays = LOGITS, y, ELEMENTS, NUMBERS["class_weights"]
        names, largest = sent(jit(jax.value_and_grad(on_mesh, (0, 3))).lower(*arrays).compile())
        assert names == {"all-reduce"}
        assert largest == BATCH


# ------------------------------------------------------------------------------------------------------ special values


def on_eight(form, x, y, **options):
    """Losses and the gradient of their sum, of one device and of eight; a class, or two, on each."""

    def answers(form, wrap):
        losses = wrap(lambda x, y: form(reduction="none", **options)(x, y))
        return lambda x: (losses(x, y), jax.grad(lambda x: losses(x, y).sum())(x))

    specs = P(None, ONE), P() if form is LABELS else P(None, ONE)
    on_mesh = partial(jax.shard_map, mesh=mesh_of(8), in_specs=specs, out_specs=P())
    own, whole = answers(partial(form, vocab_axis_name=ONE), on_mesh), answers(form, lambda f: f)
    return jax.jit(own)(x), jax.jit(whole)(x)


@pytest.mark.parametrize("form", [LABELS, DENSE])
def test_confident_examples_and_infinite_logits_are_what_they_are_on_one_device(form):
    """Logits of 40 and 80 at the first class, at the last, and where they are wrong; each number by itself."""
    confident, certain = np.zeros((5, 16), np.float32), np.array([0, 15, 8, 3, 9])
    confident[np.arange(5), [0, 15, 8, 2, 9]] = [40, 40, 80, 40, 39]
    confident[4, 1] = 39  # a tie across devices
    x, t = np.tile(cases.normal(np.random.default_rng(1), 16), (6, 1)), np.array([5, 4, 0, 7, 6, 11])
    x[0, 2:4] = -np.inf  # all that a device has
    x[1, 4:6] = -np.inf  # the label's device
    x[2] = -np.inf
    x[3, 7] = x[4, 7] = np.inf  # certain, and impossible
    x[5, :8] = -np.inf
    x, t = np.concatenate([confident, x]), np.concatenate([certain, t])
    got, expected = on_eight(form, x, t if form is LABELS else np.eye(16, dtype=np.float32)[t])
    np.testing.assert_allclose(got[0][:3], [15 * np.exp(-40.0), 15 * np.exp(-40.0), 15 * np.exp(-80.0)], rtol=1e-6)
    np.testing.assert_array_equal(np.isinf(expected[0][5:]), [False, True, True, False, True, False])
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


HALF = [(LABELS, jnp.bfloat16), (DENSE, jnp.float16)]


@pytest.mark.parametrize(("form", "dtype"), HALF if cases.EVERY else HALF[:1])
def test_half_precision_is_computed_in_float32(form, dtype):
    got, expected = on_eight(form, jnp.asarray(LOGITS, dtype), INDICES % CLASSES if form is LABELS else DISTRIBUTIONS)
    assert (got[0].dtype, got[1].dtype) == (jnp.float32, dtype)
    same(got[0], expected[0], 5e-7)
    same(got[1], expected[1], float(jnp.finfo(dtype).eps))


def test_labels_are_indices_into_all_classes():
    t = np.array([-1, 0, 2, 15, 16, 17, -100])
    x = cases.normal(np.random.default_rng(2), (7, 16))
    (losses, slopes), expected = on_eight(LABELS, x, t, ignore_index=-100)
    np.testing.assert_array_equal(np.isnan(losses), [True, False, False, False, True, True, False])
    assert np.isfinite(slopes).all()
    assert not slopes[np.isnan(losses)].any()
    np.testing.assert_allclose(losses, expected[0], rtol=1e-6)
    loss = LABELS(vocab_axis_name=ONE)
    on_mesh = jax.shard_map(jaxloss.checked(loss), mesh=mesh_of(8), in_specs=(P(None, ONE), P()), out_specs=P())
    with pytest.raises(checkify.JaxRuntimeError, match="labels must be from 0 to 15"):
        jit(checkify.checkify(on_mesh))(x, t)[0].throw()


# -------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("form", [LABELS, DENSE])
def test_axes_that_cannot_be_are_refused(form):
    x = np.zeros((4, 3, 2), np.float32)
    name = form.fn.__name__
    for axis, names in ((-1, "model"), (-1, ("data", "model")), (1, "data")):
        y = np.zeros(np.delete(x.shape, axis), np.int32) if form is LABELS else x
        with pytest.raises(ValueError, match=rf"{name}: vocab_axis_name .* is no mesh axis here: .*shard_map"):
            form.fn(x, y, axis, vocab_axis_name=names)
    for axis in ((1, 2),) if form is LABELS else ((1, 2), None):
        y = np.zeros(4, np.int32) if form is LABELS else x
        with pytest.raises(
            ValueError, match=rf"{name}: the classes are on the axes .*1, 2\).* vocab_axis_name 'model'"
        ):
            form.fn(x, y, axis, vocab_axis_name="model")
