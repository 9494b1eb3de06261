"""The class forms: fields and signatures together, equality, hashing, pickling, configurations, sums, reductions."""

import copy
import dataclasses
import inspect
import json
import pickle
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss
from jaxloss import Loss
from tests import cases
from tests.compiling import jit

every_case = pytest.mark.parametrize("case", cases.programs(), ids=lambda case: case.id)
each_loss = pytest.mark.parametrize("case", cases.richest(), ids=lambda case: case.id)
FORMS = [v for k, v in vars(jaxloss).items() if k in jaxloss.__all__ and isinstance(v, type) and issubclass(v, Loss)]
REDUCTIONS = ("none", "sum", "mean", "sum_over_batch_size")
FORMS = [form for form in FORMS if form not in (Loss, jaxloss.LossSum)]
HAS_NUMBERS = [case for case in cases.richest() if jax.tree.leaves(case.form(**case.shaping()))]


def test_every_class_form_has_a_case():
    """A loss without a row is in no sweep: give it one in tests/losses."""
    assert {case.form for case in cases.programs()} == set(FORMS)


@each_loss
def test_fields_are_the_options_of_the_function(case):
    base = {f.name for f in dataclasses.fields(Loss)}
    fields = {f.name: f.default for f in dataclasses.fields(case.form) if f.name not in base}
    parameters = inspect.signature(case.fn).parameters
    options = {name: parameters[name].default for name in cases.options_of(case.fn) if name not in base}
    assert fields == options
    hints = inspect.get_annotations(case.form)
    assert {name: parameters[name].annotation for name in fields} == {k: hints[k] for k in fields}


@each_loss
def test_the_name_is_the_functions_in_cap_words(case):
    assert case.form.__name__.lower() == case.fn.__name__.replace("_", "")
    assert case.form.__dataclass_params__.frozen
    assert f"class form of `{case.fn.__name__}`." in case.form.__doc__


@pytest.mark.parametrize("case", HAS_NUMBERS, ids=lambda case: case.id)
def test_a_default_form_as_an_argument_is_the_form_in_a_closure(case):
    """Its options are traced then, and a traced 0 multiplies what a plain one skips, infinity too."""
    arrays = case.draw()
    first = case.arrays[case.predictions]
    if case.classes and first.impossible is not None:  # an impossible class, of no mass in the targets
        arrays[case.predictions][:, 0] = first.impossible
        t, target = arrays[case.targets], case.arrays[case.targets]
        if case.labels:
            arrays[case.targets] = np.where(t == 0, 1, t)
        elif target.axes == "...c":
            t[:, 0] = target.impossible if target.impossible == 0 or "log" in case.targets else 0
    run = lambda form, arrays: jax.value_and_grad(lambda p: case.reduced(form, {**arrays, case.predictions: p}))(
        arrays[case.predictions]
    )
    form = case.form(**case.shaping())
    (value, gradient), (expected, slope) = jit(lambda traced, arrays: (run(traced, arrays), run(form, arrays)))(
        form, arrays
    )
    assert np.isfinite(expected)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(gradient, slope, rtol=1e-5, atol=1e-7)


@every_case
def test_equal_forms_are_equal_hash_alike_and_survive_copies(case):
    form = case.make(reduction="sum")
    for same in (
        case.make(reduction="sum"),
        pickle.loads(pickle.dumps(form)),
        copy.deepcopy(form),
        form.replace(reduction="mean").replace(reduction="sum"),
        Loss.from_config(json.loads(json.dumps(form.get_config()))),
        case.form.from_config(form.get_config()),
        jax.tree.map(lambda leaf: leaf, form),
    ):
        assert same == form
        assert hash(same) == hash(form)
        assert type(same) is type(form)
    assert case.make() != form
    assert repr(form).startswith(case.form.__name__)
    with pytest.raises(dataclasses.FrozenInstanceError):
        form.reduction = "mean"


# How losses are reduced does not depend on the loss.
@pytest.mark.parametrize("case", cases.each_structure(), ids=lambda case: case.id)
def test_every_reduction_is_its_formula(case):
    arrays = case.draw()
    losses = np.asarray(jit(case.loss)(arrays), np.float64)
    rng = np.random.default_rng(1)
    w, where = rng.uniform(0, 2, cases.BATCH).astype(np.float32), rng.random(cases.BATCH) < 0.6
    ways = {"plain": (None, None), "weighted": (w, None), "masked": (None, where), "both": (w, where)}
    ways = ways if cases.EVERY else {way: ways[way] for way in ("plain", "both")}

    @jit
    def run(arrays):
        call = lambda form, weights, mask: case.reduced(form, arrays, weights=weights, where=mask)
        return {
            way: ({r: call(case.make(reduction=r), *given) for r in REDUCTIONS}, call(case.make().total, *given))
            for way, given in ways.items()
        }

    for way, (values, (numerator, denominator)) in run(arrays).items():
        weights, mask = ways[way]
        a = np.ones(cases.BATCH) if weights is None else weights.astype(np.float64)
        keep = np.ones(cases.BATCH, bool) if mask is None else mask
        count = case.counts(arrays)[keep]
        expected = {
            "none": np.where(keep, a * losses, 0),
            "sum": (a * losses)[keep].sum(),
            "mean": (a * losses)[keep].sum() / (a[keep] * count).sum(),
            "sum_over_batch_size": (a * losses)[keep].sum() / count.sum(),
        }
        values["none"] = case.summed(values["none"])
        for reduction, value in expected.items():
            np.testing.assert_allclose(values[reduction], value, rtol=2e-6, atol=1e-6, err_msg=f"{reduction}, {way}")
        np.testing.assert_allclose(numerator / denominator, expected["mean"], rtol=2e-6, atol=1e-6)


def test_micro_batches_of_unequal_weight_add_up_to_the_mean():
    loss, rng = jaxloss.HuberLoss(), np.random.default_rng(0)
    p, t, w = (rng.normal(size=12).astype(np.float32) for _ in range(3))
    w = np.abs(w)
    parts = [slice(0, 2), slice(2, 9), slice(9, 12)]
    step = jit(jax.value_and_grad(lambda p, t, w: loss.total(p, t, weights=w), has_aux=True))
    pieces = [step(p[s], t[s], w[s]) for s in parts]
    grads, denominator = [gradient for _, gradient in pieces], sum(float(weight) for (_, weight), _ in pieces)
    whole = jit(jax.grad(lambda p: loss(p, t, weights=w)))(p)
    np.testing.assert_allclose(np.concatenate(grads) / denominator, whole, rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "weights", "expected"),
    [
        ((2, 3), 2.0, 91 / 6),
        ((2, 3), [1.0, 0.0], 14 / 3),
        ((2, 3), [[1.0], [0.0]], 14 / 3),
        ((2, 3), [[1.0, 0.0, 0.0]], 17 / 2),
        ((2, 3), [[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]], 21 / 3),
    ],
)
def test_the_weighted_mean_divides_by_the_weights_it_applied(shape, weights, expected):
    losses = jnp.array([[1.0, 4.0, 9.0], [16.0, 25.0, 36.0]])
    got = jaxloss.reduce(losses, weights=jnp.asarray(weights))
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_a_weight_per_sample_on_a_square_batch_weighs_rows():
    losses = jnp.arange(9.0).reshape(3, 3)
    assert jaxloss.reduce(losses, weights=jnp.array([1.0, 0.0, 0.0])) == 1.0


def test_the_mean_of_nothing_is_zero_with_no_gradient():
    loss = jaxloss.SquaredError()
    for kwargs in ({"where": jnp.zeros(3, bool)}, {"weights": jnp.zeros(3)}):
        value, gradient = jax.value_and_grad(lambda p, kwargs=kwargs: loss(p, jnp.ones(3), **kwargs))(jnp.zeros(3))
        assert value == 0
        assert (gradient == 0).all()
    assert loss(jnp.zeros((0, 4)), jnp.zeros((0, 4))) == 0


def test_reduce_over_some_axes():
    losses = jnp.arange(6.0).reshape(2, 3)
    np.testing.assert_allclose(jaxloss.reduce(losses, axis=1), [1, 4])
    np.testing.assert_allclose(jaxloss.reduce(losses, axis=0, weights=jnp.array([1.0, 3.0])), [2.25, 3.25, 4.25])
    np.testing.assert_allclose(jaxloss.reduce(losses, axis=(0, 1), reduction="sum"), 15)
    with pytest.raises(ValueError, match="reduce: axis 2"):
        jaxloss.reduce(losses, axis=2)


def test_losses_add_and_scale():
    a, b = jaxloss.HuberLoss(delta=2.0), jaxloss.LogCosh(reduction="sum")
    p, t = cases.normal(np.random.default_rng(0), (5,)), np.zeros(5, np.float32)
    both = 0.7 * a + b * 0.3 - a
    np.testing.assert_allclose(both(p, t), 0.7 * a(p, t) + 0.3 * b(p, t) - a(p, t), rtol=1e-6)
    assert isinstance(both, Loss)
    assert both == 0.7 * a + 0.3 * b - a
    assert hash(both) == hash(0.7 * a + 0.3 * b - a)
    assert Loss.from_config(json.loads(json.dumps(both.get_config()))) == both
    assert pickle.loads(pickle.dumps(both)) == both
    np.testing.assert_allclose(sum([a, b])(p, t), a(p, t) + b(p, t), rtol=1e-6)
    slopes = jax.grad(lambda loss: loss(p, t))(both)
    np.testing.assert_allclose(slopes.coefficients, [a(p, t), b(p, t), a(p, t)], rtol=1e-6)
    with pytest.raises(TypeError, match="total of each"):
        both.total(p, t)


def test_masks_and_weights_reach_every_term():
    loss = 2.0 * jaxloss.SquaredError() + jaxloss.AbsoluteError()
    p, where = jnp.array([1.0, jnp.nan]), jnp.array([True, False])
    assert loss(p, jnp.zeros(2), where=where) == 3.0


@dataclass(frozen=True, kw_only=True)
class Cubic(Loss):
    """A user's loss by a method."""

    scale: float = 1.0

    def losses(self, predictions, targets):
        return self.scale * jnp.abs(predictions - targets) ** 3


def test_a_loss_of_ones_own_has_all_of_it():
    loss = Cubic(scale=2.0)
    p, t = jnp.array([1.0, 2.0, jnp.nan]), jnp.zeros(3)
    assert loss(p, t, where=jnp.array([True, True, False])) == 9.0
    assert Loss.from_config(loss.get_config()) == loss
    assert jax.grad(lambda loss: loss(p[:2], t[:2]))(loss).scale == 4.5
    assert jit(lambda p, loss: loss(p, p * 0), static_argnums=1)(p[:2], loss) == 9.0


def test_class_weights_of_any_kind_are_one_loss():
    kinds = [[1.0, 2.0], (1.0, 2.0), np.array([1.0, 2.0], np.float32), jnp.array([1.0, 2.0])]
    losses = [jaxloss.SoftmaxCrossEntropy(class_weights=k) for k in kinds]
    assert len(set(losses)) == 1
    source = np.array([1.0, 2.0])
    loss = jaxloss.SoftmaxCrossEntropy(class_weights=source)
    source[0] = 9.0  # what was given may change, the loss does not
    assert loss == losses[0]


def test_traced_hyperparameters_have_no_hash_and_say_so():
    def traced(delta):
        with pytest.raises(TypeError, match="pytree"):
            hash(jaxloss.HuberLoss(delta=delta))
        return jaxloss.HuberLoss(delta=delta)(jnp.ones(2), jnp.zeros(2))

    jit(traced)(1.0)


def test_an_unknown_class_in_a_configuration():
    with pytest.raises(ValueError, match="import its module"):
        Loss.from_config({"class": "jaxloss.NoSuchLoss"})
    with pytest.raises(ValueError, match="HuberLoss"):
        jaxloss.HuberLoss.from_config(jaxloss.LogCosh().get_config())
