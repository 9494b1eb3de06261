"""The adaptive softmax: the layers that a batch needs, all classes, the most probable one."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests import cases
from tests.cases import LABELS, REALS, Case
from tests.compiling import equations, quick

# Infinite features or weights are logits of infinity less infinity.
# Without extremes: a product with a kernel is a logit, which overflows.
FEATURES = replace(REALS, hard=None, ends=(0.0, 1e-30), alone=(), extremes=())
SIZES = {"h": 5, "c": 8, "p": 3, "k": 2, "q": 2, "l": 3}
"""Three frequent classes and two clusters, of two classes and of three."""
TAILS = {"tails": (("tails[0][0]", "tails[0][1]"), ("tails[1][0]", "tails[1][1]"))}


def log_probabilities(h, head, bias, *tails, layout="dv"):
    def logits(x, kernel, bias=None):
        rows = kernel if layout == "vd" else list(zip(*kernel, strict=True))
        z = [mp.fsum(a * b for a, b in zip(x, row, strict=True)) for row in rows]
        return z if bias is None else [a + b for a, b in zip(z, bias, strict=True)]

    def log_softmax(z):
        total = mp.log(mp.fsum(mp.exp(v) for v in z))
        return [v - total for v in z]

    of_head = log_softmax(logits(h, head, bias))
    pairs = list(zip(tails[::2], tails[1::2], strict=True))
    frequent = len(of_head) - len(pairs)
    found = of_head[:frequent]
    for of_cluster, (projection, kernel) in zip(of_head[frequent:], pairs, strict=True):
        found += [of_cluster + v for v in log_softmax(logits(logits(h, projection), kernel))]
    return found


def oracle(h, t, head, bias, *tails, kernel_layout="dv", ignore_index=None):
    return -log_probabilities(h, head, bias, *tails, layout=kernel_layout)[int(t)]


def _case(layout, **options):
    axes = lambda letters: letters if layout == "dv" else letters[::-1]
    layers = {"head": "dh", "tails[0][0]": "dp", "tails[0][1]": "pk", "tails[1][0]": "dq", "tails[1][1]": "ql"}
    arrays = {name: FEATURES.over(axes(letters)) for name, letters in layers.items()}
    return Case(
        fn=jaxloss.adaptive_log_softmax,
        form=jaxloss.AdaptiveLogSoftmax,
        arrays={
            "hidden": FEATURES.over("...d"),
            "labels": LABELS,
            "head": arrays.pop("head"),
            "head_bias": FEATURES.over("h"),
            **arrays,
        },
        oracle=oracle,
        options=options,
        bad_options={"kernel_layout": ("vv", 1, None), **cases.BAD_IGNORE},
        name=f"adaptive_log_softmax[{layout}]",
        sizes=SIZES,
        trees=TAILS,
    )


CASES = [_case("dv"), _case("vd", kernel_layout="vd", ignore_index=-100)]
DRAWN = CASES[0]


def _layers(seed=0):
    arrays = DRAWN.draw(seed)
    return arrays, {k: v for k, v in DRAWN.arguments(arrays).items() if k not in ("hidden", "labels")}


def test_all_classes_and_the_most_probable_one():
    arrays, layers = _layers()
    x = arrays["hidden"]
    run = quick(lambda x: (jaxloss.adaptive_log_probabilities(x, **layers), jaxloss.adaptive_prediction(x, **layers)))
    found, best = run(x)
    own = [arrays[name].tolist() for name in list(DRAWN.arrays)[2:]]
    expected = np.array([[float(v) for v in log_probabilities(row.tolist(), *own)] for row in x])
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)
    np.testing.assert_array_equal(best, expected.argmax(-1))
    assert len({*np.digitize(best, [3, 5])}) == 3  # the head and either cluster
    transposed = jax.tree.map(lambda a: a.T, layers)
    np.testing.assert_array_equal(jaxloss.adaptive_prediction(x, **transposed, kernel_layout="vd"), best)
    losses = quick(lambda t: jaxloss.adaptive_log_softmax(x, t, **layers))(best)
    np.testing.assert_allclose(losses, -expected.max(-1), rtol=2e-6, atol=2e-6)


def test_of_several_most_probable_classes_the_first_is_predicted():
    layers = {"head": np.zeros((4, 3), np.float32), "tails": [(np.zeros((4, 2)), np.zeros((2, 1)))] * 2}
    layers = jax.tree.map(np.float32, layers)
    assert jaxloss.adaptive_prediction(np.zeros((3, 4), np.float32), **layers).tolist() == [0, 0, 0]


def test_the_layers_of_a_cluster_are_in_a_branch_and_the_head_is_not():
    """A batch without a label of the cluster takes the other branch, in the gradient too."""
    sizes = {"h": 11, "p": 13, "k": 17}
    arrays = {k: v for k, v in DRAWN.sized(**sizes, c=26).draw().items() if "[1]" not in k[:8]}
    layers = {"head": arrays["head"], "tails": [(arrays["tails[0][0]"], arrays["tails[0][1]"])]}
    step = jax.value_and_grad(lambda x, layers: jaxloss.AdaptiveLogSoftmax()(x, arrays["labels"], **layers), (0, 1))
    found = equations(step, arrays["hidden"], layers)
    products = [(e.invars, "cond" in around) for e, around in found if e.primitive.name == "jaxloss_product"]
    of = lambda name: {inside for factors, inside in products if any(sizes[name] in v.aval.shape for v in factors)}
    assert (of("h"), of("p"), of("k")) == ({False}, {True}, {True})


def _temporaries(tokens, d, tails):
    """Of value and gradient in hidden states and layers, in bytes."""
    of = lambda *shape: jax.ShapeDtypeStruct(shape, jnp.float32)
    layers = {"head": of(d, 8 + len(tails)), "tails": [(of(d, p), of(p, classes)) for p, classes in tails]}
    step = jax.value_and_grad(lambda layers, x, t: jaxloss.AdaptiveLogSoftmax()(x, t, **layers))
    labels = jax.ShapeDtypeStruct((tokens,), jnp.int32)
    return jax.jit(step).lower(layers, of(tokens, d), labels).compile().memory_analysis().temp_size_in_bytes


def test_the_logits_of_a_cluster_are_those_of_one_chunk_at_a_time():
    """Of clusters whose logits are too many to hold, in value and gradient."""
    tokens, classes = 1024, 2**17
    assert _temporaries(tokens, 8, [(4, classes)]) < tokens * classes * 4 / 4


def test_of_several_clusters_the_logits_of_one_are_held_with_their_slopes():
    """Where they fit into one chunk. Kept from the value to its slopes, they would be held for all clusters."""
    tokens, classes = 1024, 3000
    assert _temporaries(tokens, 8, [(4, classes)] * 3) < 2.5 * tokens * classes * 4


ERRORS = [
    ({"tails": 3}, TypeError, ["tails", "list of pairs", "int"]),
    ({"tails": [np.zeros((4, 3), np.float32)]}, TypeError, ["tails[0]", "list of pairs"]),
    ({"tails": [(np.zeros((4, 3), np.float32),)]}, ValueError, ["tails[0]", "pair", "1 arrays"]),
    ({"tails": []}, ValueError, ["tails", "0 pairs"]),
    ({"head": np.zeros((4, 2), np.float32)}, ValueError, ["tails", "head (4, 2)", "2 pairs"]),
    ({"head": np.zeros((3, 5), np.float32)}, ValueError, ["hidden (16, 4)", "head (3, 5)", "kernel_layout"]),
    ({"head_bias": np.zeros(4, np.float32)}, ValueError, ["head_bias", "(5,)", "(4,)"]),
]


@pytest.mark.parametrize("function", ["adaptive_log_softmax", "adaptive_log_probabilities", "adaptive_prediction"])
@pytest.mark.parametrize(("change", "error", "words"), ERRORS)
def test_layers_that_do_not_fit(function, change, error, words):
    arrays, layers = _layers()
    given = (arrays["hidden"], arrays["labels"])[: 2 if function == "adaptive_log_softmax" else 1]
    with pytest.raises(error) as raised:
        jax.eval_shape(lambda: getattr(jaxloss, function)(*given, **{**layers, **change}))
    for word in [f"{function}: ", *words]:
        assert word in str(raised.value)
