"""The first mistake is answered: in the name that was called, with the name that was meant."""

import inspect
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss
import jaxloss.keras
import jaxloss.torch
from jaxloss import HuberLoss
from jaxloss.torch import functional as F
from tests.compiling import jit

X, Y = np.float32([[0.5, 2.0, -1.0], [0.0, 1.0, 4.0]]), np.float32([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
NO_LOSSES = {"LinearCrossEntropyOptions", "functional", "Reduction", "get", "serialize", "deserialize"}
LABELS, ROW = np.array([0, 2]), np.float32([0.5, 1.0])
FORMS = [v for v in vars(jaxloss).values() if isinstance(v, type) and issubclass(v, jaxloss.Loss) and hasattr(v, "fn")]
FUNCTIONS = [getattr(jaxloss, n) for n in jaxloss.__all__ if inspect.isfunction(getattr(jaxloss, n))]
FUNCTIONS += [getattr(F, name) for name in F.__all__]
FUNCTIONS += [f for n in jaxloss.keras.__all__ if inspect.isfunction(f := getattr(jaxloss.keras, n))]


def _answered(call, *words, error=(ValueError, TypeError)):
    with pytest.raises(error) as raised:
        call()
    for word in words:
        assert word in str(raised.value), f"{word!r} is not in {str(raised.value)!r}"


DENSE = {
    jaxloss.softmax_cross_entropy: jaxloss.softmax_cross_entropy_with_integer_labels,
    jaxloss.categorical_cross_entropy: jaxloss.sparse_categorical_cross_entropy,
    jaxloss.keras.categorical_crossentropy: jaxloss.keras.sparse_categorical_crossentropy,
}


@pytest.mark.parametrize("dense", DENSE, ids=lambda f: f.__name__)
def test_labels_of_the_other_kind_name_the_other_loss(dense):
    sparse = DENSE[dense]
    order = (lambda x, y: (y, x)) if "keras" in dense.__module__ else (lambda x, y: (x, y))
    _answered(lambda: dense(*order(X, LABELS)), f"{dense.__name__}: ", sparse.__name__)
    _answered(lambda: sparse(*order(X, Y.astype(int))), f"{sparse.__name__}: ", dense.__name__.split("_cross")[0])
    if "keras" not in dense.__module__:  # there whole numbers in floats are labels
        _answered(lambda: sparse(X, Y), f"{sparse.__name__}: ", dense.__name__, error=TypeError)
        for loss in (dense, sparse):
            _answered(lambda: loss(LABELS, X), "second", error=TypeError)


def test_arguments_that_are_not_arrays_are_described():
    _answered(lambda: jaxloss.huber_loss(LABELS, ROW), "or are these the targets?")
    _answered(
        lambda: jaxloss.softmax_cross_entropy(X, Y, where=np.ones(3, bool)), "where (3,)", "broadcast_to", "(2, 3)"
    )
    for wrong, word in (
        (jax.random.key(0), "PRNG key"),
        ("logits", "str"),
        (None, "None"),
        ({"a": ROW}, "jax.tree.map"),
        ([[1.0, 2.0], [3.0]], "pad"),
        (jnp.ones(2, "complex64"), "complex64"),
        (np.ones(2, ">f4"), ">f4"),
        (np.array([0.5, None]), "object"),
        (np.ma.array([0.5, 1.0], mask=[False, True]), "getmaskarray"),
    ):
        _answered(lambda: jaxloss.huber_loss(wrong, ROW), "huber_loss: predictions", word, error=TypeError)
        _answered(lambda: jaxloss.reduce(ROW, weights=wrong) if wrong is not None else jaxloss.reduce(None), "reduce: ")
        if wrong is not None:
            _answered(lambda: HuberLoss()(ROW, wrong), "huber_loss: targets", word, error=TypeError)
            _answered(lambda: HuberLoss()(ROW, ROW, where=wrong), "where", word, error=TypeError)


def test_class_weights_by_class_are_answered():
    weights = {0: 1.0, 1: 2.0, 2: 0.5}
    calls = {
        "form": lambda: jaxloss.SoftmaxCrossEntropy(class_weights=weights),
        "function": lambda: jaxloss.softmax_cross_entropy(X, Y, class_weights=weights),
    }
    for call in calls.values():
        _answered(call, "one value for each class", "array", error=TypeError)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_a_class_form_that_is_called_as_the_function_says_how_to_call_it(form):
    call = f"{form.__name__}()(predictions, targets)"
    own = form.losses is not jaxloss.Loss.losses
    first, second, *rest = (
        list(inspect.signature(form.losses).parameters)[1:] if own else inspect.signature(form.fn).parameters
    )
    for method in (form(), form().total):
        _answered(lambda: method(X, Y, X), f"{form.__name__}: takes ", "by position, got 3", "where", error=TypeError)
        _answered(lambda: method(targets=Y), f"{form.__name__}: the predictions are missing", error=TypeError)
        # Of a function with targets after its first two arrays, these have no names but by position.
        first_as, second_as = ("", "") if "targets" in rest else ("give it as predictions=", "give it as targets=")
        if first != "predictions":
            _answered(lambda: method(**{first: X, second: Y}), f"no {first}", first_as, error=TypeError)
        if second != "targets":
            _answered(lambda: method(X, **{second: Y}), f"no {second}", second_as, error=TypeError)
    _answered(lambda: form(X, Y), form.__name__, call, form.fn.__name__, error=TypeError)
    for wrong, words in {"sample_weight": ["weights="], "mask": ["where="], "reductoin": ["reduction="]}.items():
        _answered(lambda: form(**{wrong: 1.0}), f"{form.__name__}: takes no {wrong}", *words, error=TypeError)
    for wrong, words in {"sample_weight": ["weights="], "mask": ["where="], "reduction": ["(reduction=...)"]}.items():
        _answered(lambda: form()(X, Y, **{wrong: 1.0}), f"{form.__name__}: takes no {wrong}", *words, error=TypeError)


def test_an_init_that_a_subclass_defines_is_answered_with_fields():
    class Scaled(jaxloss.Loss):
        def __init__(self, scale):
            self.scale = scale

        def losses(self, predictions, targets):
            return self.scale * jnp.abs(predictions - targets)

    for make in (lambda: Scaled(2.0), lambda: Scaled(scale=2.0)):
        _answered(make, "Scaled: ", "fields", "dataclass(frozen=True, kw_only=True)", error=TypeError)


@pytest.mark.parametrize("form", [f for f in vars(jaxloss.torch).values() if isinstance(f, type) and hasattr(f, "fn")])
def test_a_pytorch_form_called_as_its_function_is_answered_with_both_calls(form):
    _answered(lambda: form(X, Y), f"{form.__name__}: ", f"{form.__name__}()", f"functional.{form.fn.__name__}")
    _answered(lambda: form(reductoin="sum"), f"{form.__name__}: takes no reductoin", "reduction=", error=TypeError)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f"{f.__module__}.{f.__name__}")
def test_a_keyword_that_a_function_does_not_take_names_the_one_that_was_meant(function):
    name, parameters = function.__name__, inspect.signature(function).parameters
    arrays = [X] * sum(p.default is p.empty for p in parameters.values())
    meant = {"sample_weight": {"weights", "weight"}, "mask": {"where"}, "reduction": set(), "axs": {"axis"}}
    for wrong in meant.keys() - parameters:
        words = [f"{option}=" for option in parameters if option in meant[wrong]]
        words = words or (["jaxloss.reduce"] if wrong in ("reduction", "sample_weight") else ["It takes"])
        _answered(lambda: function(*arrays, **{wrong: 1}), f"{name}: takes no {wrong}", *words, error=TypeError)
    _answered(lambda: function(*[X] * (len(parameters) + 1)), f"{name}: takes", "by position", error=TypeError)
    assert pickle.loads(pickle.dumps(function)) is function
    assert f"def {name}(" in inspect.getsource(function).partition("    ")[0]


def test_errors_from_within_are_left_as_they_are():
    with pytest.raises(TypeError, match=r"missing 1 required positional argument: 'labels'"):
        jaxloss.softmax_cross_entropy(X)
    with pytest.raises(TypeError, match=r"^huber_loss: predictions must be floats"):
        jaxloss.huber_loss(LABELS)
    with pytest.raises(ValueError, match=r"^sparse_categorical_crossentropy: "):  # not of the function that it calls
        jaxloss.keras.sparse_categorical_crossentropy(LABELS[:1], X)
    assert all(form.fn is getattr(jaxloss, form.fn.__name__) for form in FORMS)


def test_a_base_class_computes_nothing_and_says_what_does():
    for more in ({}, {"where": ROW > 0}, {"weights": ROW}):
        _answered(lambda: jaxloss.Loss()(ROW, ROW, **more), "Loss: ", "HuberLoss", "losses(", error=TypeError)


def test_an_unbound_mesh_axis_names_the_transformations_that_bind_one():
    for call in (HuberLoss(axis_name="batch"), lambda p, t: jaxloss.reduce(p, axis_name=("batch", "model"))):
        _answered(lambda: jit(lambda p: call(p, p))(ROW), "axis_name", "'batch'", "jax.shard_map", error=ValueError)
    assert jax.vmap(HuberLoss(axis_name="batch"), axis_name="batch")(ROW, 0 * ROW).shape == (2,)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CrossEntropyLoss", "SoftmaxCrossEntropyWithIntegerLabels"),
        ("cross_entropy", "softmax_cross_entropy_with_integer_labels"),
        ("mse_loss", "squared_error"),
        ("MSELoss", "SquaredError"),
        ("mean_squared_error", "squared_error"),
        ("MeanAbsoluteError", "AbsoluteError"),
        ("BCEWithLogitsLoss", "SigmoidBinaryCrossEntropy"),
        ("kl_div", "kl_divergence"),
        ("SparseCategoricalCrossentropy", "SparseCategoricalCrossEntropy"),
        ("hubber_loss", "huber_loss"),
        ("Huber_Loss", "HuberLoss"),
        ("poison_nll", "poisson_nll"),
    ],
)
def test_a_name_of_another_library_is_answered_with_ours(name, meant):
    _answered(lambda: getattr(jaxloss, name), f"no attribute '{name}'", f"did you mean {meant}?", error=AttributeError)


def test_unknown_names_raise_attribute_and_import_errors():
    assert not hasattr(jaxloss, "no_such_loss")
    with pytest.raises(ImportError, match=r"no_such_loss"):
        from jaxloss import no_such_loss  # noqa: F401  # pyright: ignore
    for theirs in (jaxloss.torch, jaxloss.keras):
        for name in theirs.__all__:
            if not hasattr(jaxloss, name) and name not in NO_LOSSES:
                _answered(lambda: getattr(jaxloss, name), "did you mean", error=AttributeError)
    for name in F.__all__:
        if not hasattr(jaxloss, name):
            _answered(lambda: getattr(jaxloss, name), "did you mean", error=AttributeError)
