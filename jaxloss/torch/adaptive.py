r"""PyTorch's adaptive softmax, as a pure function of its parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import jax

import jaxloss
from jaxloss import _value
from jaxloss._arrays import floating, integers
from jaxloss._domain import checked_only
from jaxloss._types import Array, Floats, Labels
from jaxloss._written import written_fields
from jaxloss.torch._conventions import reduced, result_dtype


@written_fields
class ASMoutput(NamedTuple):
    """What an adaptive softmax returns: the log-probability of each target, and the mean of their negatives."""

    output: Array
    loss: Array


@dataclass(frozen=True)
class AdaptiveLogSoftmaxWithLoss(_value.Value):
    r"""PyTorch's adaptive softmax over classes that are ordered by their frequency.

    $$\log p_t \quad (t < c_0), \qquad \log p_{c_0 + i} + \log q^{(i)}_{t - c_i} \quad (t \ge c_i)$$

    with the softmax p of a head over the $c_0$ most frequent classes and the clusters of the others, and the softmax
    $q^{(i)}$ of a narrow layer over the classes of a cluster; see `jaxloss.adaptive_log_softmax`.

    It holds no parameters: `init` makes them, as a dictionary with the names and the shapes of PyTorch's `state_dict`,
    whose values are taken too, and each call takes them first.

    Args:
        in_features: The width D of the inputs.
        n_classes: How many classes there are.
        cutoffs: The first class of each cluster, ascending, from 1 to `n_classes` - 1.
        div_value: How much narrower the layer of each cluster is than that of the one before; above 0.
        head_bias: Whether the head has a bias.

    Raises:
        ValueError: Cutoffs that are not ascending integers in that range, a cluster without a feature.

    Example:
        >>> loss = AdaptiveLogSoftmaxWithLoss(20, 200, cutoffs=[20, 100, 150], div_value=2.0)
        >>> parameters = loss.init(jax.random.key(0))
        >>> x, target = jax.random.normal(jax.random.key(1), (128, 20)), jnp.arange(128)
        >>> print(loss(parameters, x, target).output.shape, loss.predict(parameters, x).shape)
        (128,) (128,)
    """

    in_features: int
    n_classes: int
    cutoffs: Sequence[int]
    div_value: Any = 4.0  # a number, and structure: the shapes of the parameters are made of it
    head_bias: bool = False

    def __post_init__(self) -> None:
        _value.settle(self)
        starts = self.cutoffs
        rising = all(0 < a < b for a, b in pairwise([*starts, self.n_classes])) if starts else False
        if not rising or any(int(c) != c for c in starts):
            raise ValueError(
                "AdaptiveLogSoftmaxWithLoss: cutoffs must be ascending integers from 1 to n_classes - 1 = "
                f"{self.n_classes - 1}, one for each cluster, got {starts!r}."
            )
        if min(self._widths) < 1:
            raise ValueError(
                f"AdaptiveLogSoftmaxWithLoss: div_value {self.div_value!r} leaves a cluster no feature of "
                f"{self.in_features}: take a smaller one, or fewer cutoffs."
            )

    @property
    def _widths(self) -> list[int]:
        """The width of the layer of each cluster."""
        return [int(self.in_features // self.div_value ** (i + 1)) for i in range(len(self.cutoffs))]

    @property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the parameters, by PyTorch's names."""
        head = self.cutoffs[0] + len(self.cutoffs)
        shapes: dict[str, tuple[int, ...]] = {"head.weight": (head, self.in_features)}
        if self.head_bias:
            shapes["head.bias"] = (head,)
        for i, (start, end) in enumerate(pairwise([*self.cutoffs, self.n_classes])):
            shapes[f"tail.{i}.0.weight"] = self._widths[i], self.in_features
            shapes[f"tail.{i}.1.weight"] = end - start, self._widths[i]
        return shapes

    def init(self, key: Any, dtype: Any = "float32") -> dict[str, Array]:
        """Parameters drawn as PyTorch draws them, uniformly up to the inverse root of the width of their layer."""
        shapes = self._shapes
        keys = dict(zip(shapes, jax.random.split(key, len(shapes)), strict=True))
        width = {name: shapes[name][-1] if len(shapes[name]) > 1 else self.in_features for name in shapes}
        draw = lambda name: jax.random.uniform(keys[name], shapes[name], dtype, -1, 1) / width[name] ** 0.5  # noqa: E731
        return {name: draw(name) for name in shapes}

    def __call__(self, parameters: Mapping[str, Floats], input: Floats, target: Labels) -> ASMoutput:
        """The log-probabilities of the targets and their mean, negated.

        Args:
            parameters: What `init` makes.
            input: `(N, D)`, or `(D,)` of a single example.
            target: Class indices, `(N,)` or `()`. One out of range has log-probability nan.
        """
        x, layers, dtype = self._taken(parameters, input)
        labels = integers(_NAME, "target", target)
        if labels.shape != x.shape[:-1]:
            raise ValueError(f"{_NAME}: target must have shape {x.shape[:-1]} for input {x.shape}, got {labels.shape}.")
        known = lambda: (labels >= 0) & (labels < self.n_classes)  # noqa: E731
        labels = checked_only(_NAME, labels, known, f"target must be from 0 to {self.n_classes - 1}")
        losses = jaxloss.adaptive_log_softmax(x, labels, **layers)
        return ASMoutput(-losses.astype(dtype), reduced(losses, "mean", dtype))

    def log_prob(self, parameters: Mapping[str, Floats], input: Floats) -> Array:
        """The log-probabilities of all classes, `(N, n_classes)`, of inputs `(N, D)`."""
        x, layers, dtype = self._taken(parameters, input)
        return jaxloss.adaptive_log_probabilities(x, **layers).astype(dtype)

    def predict(self, parameters: Mapping[str, Floats], input: Floats) -> Array:
        """The most probable class of each input, `(N,)`, of inputs `(N, D)`."""
        x, layers, _ = self._taken(parameters, input)
        return jaxloss.adaptive_prediction(x, **layers)

    def _taken(self, parameters: Any, input: Any) -> tuple[Array, dict[str, Any], Any]:
        """The input, the layers as the native functions take them, and the dtype of the result."""
        x, shapes = floating(_NAME, "input", input), self._shapes
        if x.ndim not in (1, 2) or x.shape[-1] != self.in_features:
            raise ValueError(
                f"{_NAME}: input must have shape (N, {self.in_features}) or ({self.in_features},), got {x.shape}."
            )
        if not isinstance(parameters, Mapping) or parameters.keys() != shapes.keys():
            given = list(parameters) if isinstance(parameters, Mapping) else type(parameters).__name__
            raise TypeError(f"{_NAME}: parameters must have the names {list(shapes)}, as init gives them, got {given}.")
        arrays = {name: floating(_NAME, f"parameters[{name!r}]", parameters[name]) for name in shapes}
        for name, array in arrays.items():
            if array.shape != shapes[name]:
                raise ValueError(f"{_NAME}: parameters[{name!r}] must have shape {shapes[name]}, got {array.shape}.")
        tails = [(arrays[f"tail.{i}.0.weight"], arrays[f"tail.{i}.1.weight"]) for i in range(len(self.cutoffs))]
        layers = {"head": arrays["head.weight"], "head_bias": arrays.get("head.bias"), "tails": tails}
        return x, {**layers, "kernel_layout": "vd"}, result_dtype(x, arrays["head.weight"])


_NAME = "AdaptiveLogSoftmaxWithLoss"

__all__ = ["ASMoutput", "AdaptiveLogSoftmaxWithLoss"]
