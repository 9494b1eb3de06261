"""Class forms as values: whatever their fields are given as, equal ones are equal, hash alike and survive copies."""

import copy
import dataclasses
import inspect
import json
import pickle
from collections import UserList
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss
import jaxloss.torch
from jaxloss import HuberLoss, Loss, LossSum
from jaxloss._value import leaf_names
from tests.compiling import jit

FORMS = [
    form
    for module in (jaxloss, jaxloss.torch)
    for form in vars(module).values()
    if isinstance(form, type) and issubclass(form, (Loss, jaxloss.torch.Loss)) and form not in (Loss, LossSum)
]
every_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.__module__}.{form.__name__}")
# The types in which one number, and several numbers, can be given.
SCALARS = [0.5, np.float32(0.5), np.float16(0.5), np.array(0.5), np.array(0.5, np.float32), jnp.asarray(0.5)]
SEVERAL = [[0.5, 0.25], (0.5, 0.25), np.array([0.5, 0.25]), np.float32([0.5, 0.25]), jnp.asarray([0.5, 0.25])]
SEVERAL.append([jnp.asarray(0.5), np.float32(0.25)])


class Foreign:
    """Numbers of another library, as tensors and data frames are: NumPy makes an array of them."""

    def __array__(self, dtype=None, copy=None):
        return np.array([0.5, 0.25], dtype)


# A configuration that is read from a file may have lists of its library's own.
SEVERAL += [UserList([0.5, 0.25]), Foreign()]
# The types in which structural options, and a mask of the classes, can be given.
STRUCTURE = {
    "axis": ([0, 1], (0, 1), UserList([0, 1]), np.array([0, 1]), [np.int32(0), jnp.asarray(1)]),
    "axis_name": (["a", "b"], UserList(["a", "b"]), ("a", "b"), [np.str_("a"), "b"]),
    "vocab_axis_name": (["a"], ("a",)),
    "ignore_index": (3, np.int64(3), np.array(3), jnp.asarray(3)),
    "blank": (1, np.int8(1), jnp.asarray(1)),
    "blank_id": (1, np.int8(1), jnp.asarray(1)),
    "chunk_size": (8, np.int32(8)),
    "compute_dtype": ("bfloat16", jnp.bfloat16, jnp.dtype("bfloat16")),
    "distance_function": (None,),  # JSON has no functions
    "fair": (True, np.True_),
    "full": (True, np.True_),
    "log_input": (False, np.False_),
    "log_target": (True, np.True_),
    "zero_infinity": (True, np.array(True)),
    "apply_softmax": (False, np.False_),
    "apply_sigmoid": (False, np.False_),
    "ignore_background": (True, np.True_),
    "swap": (True, np.True_),
    "sum_axis_name": (["a"], ("a",)),
    "batch_axis_name": (["a"], ("a",)),
    "class_mask": ([True, False], (True, False), np.array([True, False]), jnp.array([True, False])),
    "kernel_layout": ("vd", np.str_("vd")),
    "mode": ("dense", np.str_("dense")),
    "link": ("probit", np.str_("probit")),
    "ties": ("breslow", np.str_("breslow")),
    "power": (1.75, np.float64(1.75), np.array(1.75)),
    "options": (jaxloss.torch.LinearCrossEntropyOptions(batch_chunk_size=2),) * 2,
    "p": (2, np.int64(2)),
    "reduction": ("sum", np.str_("sum")),
}


def _all_one(forms):
    """All of them are one value, by every road that a value takes."""
    first = forms[0]
    for form in forms:
        for same in (
            form,
            pickle.loads(pickle.dumps(form)),
            copy.copy(form),
            copy.deepcopy(form),
            form.replace(),
            type(form).from_config(json.loads(json.dumps(form.get_config()))),
            jax.tree.map(lambda leaf: leaf, form),
        ):
            assert same == first
            assert hash(same) == hash(first)
            for leaf in jax.tree.leaves(same):
                assert not getattr(getattr(leaf, "flags", None), "writeable", False)
    assert len(set(forms)) == 1
    assert json.dumps(first.get_config()) == json.dumps(forms[-1].get_config())


@every_form
def test_a_field_is_one_value_in_whatever_type_it_is_given(form):
    for field in (f for f in dataclasses.fields(form) if f.init):
        if field.name in leaf_names(form) and field.name not in STRUCTURE:
            several = "weight" in field.name or (field.name == "alpha" and form is jaxloss.SoftmaxFocalLoss)
            for values in [SEVERAL] if several else [SCALARS]:
                _all_one([form(**{field.name: value}) for value in values])
        else:
            assert field.name in STRUCTURE, f"STRUCTURE: in which types can {form.__name__}'s {field.name} be given?"
            _all_one([form(**{field.name: value}) for value in STRUCTURE[field.name]])


def test_repr_shows_fields_that_differ_from_the_defaults_own_fields_first():
    assert repr(HuberLoss()) == "HuberLoss()"
    assert repr(HuberLoss(delta=1, reduction="mean")) == "HuberLoss()"
    assert repr(HuberLoss(reduction="sum", delta=2.0)) == "HuberLoss(delta=2.0, reduction='sum')"
    assert repr(0.5 * HuberLoss()) == "LossSum(terms=(HuberLoss(),), coefficients=(0.5,))"
    weighted = jaxloss.SoftmaxCrossEntropy(class_weights=[1.0, 2.0], axis_name="batch", axis=0)
    assert repr(weighted) == "SoftmaxCrossEntropy(axis=0, class_weights=array([1., 2.]), axis_name='batch')"
    jit(lambda delta: [delta, repr(HuberLoss(delta=delta)).index("delta=")][0])(1.0)  # a traced one is shown too


def test_a_form_whose_class_was_pickled_by_value_is_shown():
    """As cloudpickle, and Ray and Dask with it, sends classes of a notebook: what stands for no default is a copy."""

    @dataclass(frozen=True, kw_only=True)
    class Sent(Loss):
        scale: float = 1.0
        parts: tuple[Loss, ...] = dataclasses.field(default_factory=tuple)

    nothing = copy.deepcopy(dataclasses.MISSING)
    assert nothing is not dataclasses.MISSING
    Sent.__dataclass_fields__ = {field.name: copy.copy(field) for field in dataclasses.fields(Sent)}
    for field in dataclasses.fields(Sent):
        for default in ("default", "default_factory"):
            if getattr(field, default) is dataclasses.MISSING:
                setattr(field, default, nothing)
    assert repr(Sent(scale=2.0, reduction="sum")).endswith("Sent(scale=2.0, reduction='sum')")


def test_equality_and_hash_agree():
    halves = [
        HuberLoss(delta=d) for d in (0.1, np.float64(0.1), jnp.float32(0.1), np.float32(0.1), float(np.float32(0.1)))
    ]
    for a in halves:
        for b in halves:
            assert (a == b) == (hash(a) == hash(b)) == (float(a.delta) == float(b.delta))
    weighted = lambda w: jaxloss.SoftmaxCrossEntropy(class_weights=w)
    assert hash(weighted([0.0, 1.0])) == hash(weighted([-0.0, 1])) == hash(weighted(np.array([False, True])))
    assert weighted([np.nan, 1.0]) == weighted(np.float32([np.nan, 1.0]))
    assert weighted([1.0, 2.0]) != weighted([[1.0, 2.0]])
    assert weighted(None) != weighted([1.0])


def test_equal_forms_cause_one_trace():
    traces = []

    def run(loss, x):
        traces.append(loss)
        return loss(x, x)

    compiled = jit(run, static_argnums=0)
    for delta in SCALARS:
        compiled(HuberLoss(delta=delta), np.zeros(3, np.float32))
    assert len(traces) == 1


def test_a_list_that_holds_a_traced_number_is_an_array_of_traced_numbers():
    x, labels = np.float32([[1.0, 2.0, 0.0]]), np.array([1])
    run = lambda w: jaxloss.SoftmaxCrossEntropyWithIntegerLabels(class_weights=[1.0, w, 2.0], reduction="sum")(
        x, labels
    )
    value, slope = jit(jax.value_and_grad(run))(3.0)
    np.testing.assert_allclose(value, 3 * slope, rtol=1e-6)
    expected = np.log(np.exp(x - 2).sum())
    np.testing.assert_allclose(slope, expected, rtol=1e-6)

    def traced(w):
        form = jaxloss.SoftmaxFocalLoss(alpha=(w, 1.0))
        assert form == form
        assert form != jaxloss.SoftmaxFocalLoss(alpha=(w, 1.0))
        for ask in (hash, lambda form: form.get_config()):
            with pytest.raises(TypeError, match="traced"):
                ask(form)

    jit(traced)(1.0)


@dataclass(frozen=True, kw_only=True)
class Spread(Loss):
    """A user's loss, whose fields mean what the user says: a negative gamma, a mode of any name."""

    gamma: float = 1.0
    scales: tuple[float, ...] = (1.0, 2.0)
    parts: list[Loss] = dataclasses.field(default_factory=list)
    mode: str = "wide"
    order: tuple[int, ...] = ()
    dtype: object = None

    def losses(self, predictions, targets):
        return self.gamma * sum(self.scales) * (predictions - targets).astype(self.dtype)


def test_a_users_own_loss_is_a_value_too():
    of = lambda **fields: Spread(gamma=-1.0, mode="odd", **fields)
    _all_one(
        [
            of(scales=(0.5, 2.0), parts=[HuberLoss()], order=(2, 1), dtype="float32"),
            of(scales=[np.float32(0.5), 2.0], parts=(HuberLoss(),), order=[2, np.int32(1)], dtype=jnp.float32),
            of(scales=np.array([0.5, 2.0]), parts=[HuberLoss()], order=np.array([2, 1]), dtype=np.dtype("float32")),
        ]
    )
    slope = jax.grad(lambda loss: loss(jnp.ones(2), jnp.zeros(2)))(of(scales=[0.5, 2.0], dtype=jnp.float32))
    assert slope.scales == (-1.0, -1.0)


# -------------------------------------------------------------------------------------------------------------- sums


@pytest.mark.parametrize("number", [2, 2.0, np.float32(2), np.float64(2), np.int32(2), np.array(2.0), jnp.asarray(2.0)])
def test_a_number_of_any_kind_times_a_loss_is_a_loss(number):
    loss, x, y = HuberLoss(), np.float32([0.3, 4.0]), np.zeros(2, np.float32)
    for product, factor in ((number * loss, 2), (loss * number, 2), (loss / number, 0.5), (number * (-loss), -2)):
        assert isinstance(product, LossSum)
        np.testing.assert_allclose(product(x, y), factor * loss(x, y), rtol=1e-6)
    _all_one([number * loss, 2.0 * loss])
    _all_one([loss / number, loss * 0.5])
    assert -loss == -1 * loss
    assert +loss == loss


def test_sums_of_any_length_are_losses():
    x = np.float32([0.3, 4.0])
    parts = [HuberLoss(), jaxloss.LogCosh()]
    for n in range(3):
        total = sum(parts[:n], LossSum())
        np.testing.assert_allclose(total(x, 0 * x), sum(part(x, 0 * x) for part in parts[:n]), rtol=1e-6)
        _all_one([total, LossSum(terms=parts[:n], coefficients=[1.0] * n)])
    assert jit(LossSum())(x, x).dtype == np.float32
    assert LossSum() + parts[0] == 1 * parts[0]
    assert jit(lambda w: (w * parts[0])(x, 0 * x))(2.0) == 2 * parts[0](x, 0 * x)


@pytest.mark.parametrize("wrong", ["2", None, [2.0], np.ones(2), jnp.ones(2), HuberLoss()])
def test_only_numbers_are_factors(wrong):
    for product in (lambda: HuberLoss() * wrong, lambda: wrong * HuberLoss(), lambda: HuberLoss() / wrong):
        with pytest.raises(TypeError):
            product()


# --------------------------------------------------------------------------------------------------- options of forms

# What options of several losses cannot be, beside the `bad_options` of each row in tests/losses.
WRONG = {
    "delta": (-1, 0, "wide", None, True, np.nan, np.float32(-1)),
    "beta": (-1, "wide", None),
    "label_smoothing": (2, -0.1, np.float32(1.5), True, None, "a little"),
    "gamma": (-1, "two", None),
    "alpha": (-1, "half"),
    "z_loss": (-1e-4, "some", None),
    "pos_weight": (0, -2.0, [1.0, -2.0], "heavy"),
    "margin": ("wide", np.nan, None),
    "p": (-1, "two", None),
    "distance_function": ("euclidean", 2.0),
    "class_mask": (True, 0.5, [1.0, 0.0], "padded"),
    "class_weights": (1.0, "balanced", [[1], [2, 3]], {"a": 1.0}),
    "weight": ("balanced", [[1], [2, 3]]),
    "ignore_index": ("pad", 0.5, [1]),
    "blank_id": ("pad", -1, None),
    "blank": ("pad", -1, None),
    "axis": (0.5, "classes", [0.5]),
    "axis_name": ({}, {"a": 1}),
    "vocab_axis_name": ({}, {"a": 1}),
    "reduction": ("average", 1, ["mean"]),
    "zero_infinity": ("no", 1, None),
    "fair": ("yes", 1, None),
    "full": ("stirlings", 1, None),
    "log_input": (1, "yes", None),
    "log_target": (1, "yes", None),
    "log_epsilon": ("small", np.nan, None),
    "apply_softmax": (1, "yes", None),
    "apply_sigmoid": (1, "yes", None),
    "ignore_background": (1, "yes", None),
    "smooth": (-1e-3, "a little", None),
    "norm_degree": (0, np.nan, None),
    "temperature": (0, -1, "cold", None),
    "swap": (1, "yes", None),
    "sum_axis_name": ({}, {"a": 1}),
    "batch_axis_name": ({}, {"a": 1}),
    "q": (0, 1.5, "robust", None),
    "eps": (-1e-3, "small", None),
    "expectile": (-0.1, 1.5, "mean", None),
    "quantile": (-0.1, 1.5, "median", None),
    "epsilon": ("small", np.nan, None),
    "logit_cap": (0, -1.0, "high"),
    "kernel_layout": ("dd", None),
    "options": (0, "chunked", {"batch_chunk_size": 1}),
    "mode": ("quick", None),
    "link": ("logistic", 1, None),
    "ties": ("exact", 1, None),
    "power": (0.5, "compound", None),
    "chunk_size": (0, 0.5, "all"),
    "compute_dtype": ("int8", "bf16", jnp.int32),
}


@every_form
def test_bad_options_are_refused_when_the_form_is_made(form):
    for field in (f for f in dataclasses.fields(form) if f.init):
        for value in WRONG.get(field.name, ()):
            with pytest.raises((ValueError, TypeError)) as raised:
                form(**{field.name: value})
            assert str(raised.value).startswith(f"{form.__name__}: ")
            assert field.name in str(raised.value)


def test_traced_options_are_taken_and_traced_structure_is_refused():
    def run(number):
        for form in (HuberLoss(delta=number), jaxloss.SoftmaxFocalLoss(gamma=number, alpha=[number, number])):
            assert jax.tree.leaves(form)
        for name in ("ignore_index", "axis"):
            with pytest.raises(TypeError, match=f"NLLLoss: {name} .*known while tracing.*static_argnames"):
                jaxloss.NLLLoss(**{name: number.astype(int)})
        with pytest.raises(TypeError, match=r"nll_loss: ignore_index .*known while tracing.*static_argnames"):
            jaxloss.nll_loss(jnp.zeros((1, 2)), jnp.zeros(1, int), ignore_index=number.astype(int))

    jit(run)(-1.0)


@every_form
def test_forms_show_their_options_and_functions_their_arguments(form):
    if not hasattr(form, "fn"):
        return
    for signature in (inspect.signature(form), inspect.signature(form.fn)):
        assert not any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in signature.parameters.values())


def test_a_field_without_a_hash_is_named():
    @dataclass(frozen=True, kw_only=True)
    class Scheduled(jaxloss.Loss):
        schedule: object = None

        def losses(self, predictions, targets):
            return predictions

    with pytest.raises(TypeError, match=r"Scheduled: schedule has no hash.*tuple"):
        hash(Scheduled(schedule={"start": 1.0}))
    assert hash(Scheduled(schedule=(("start", 1.0),)))
