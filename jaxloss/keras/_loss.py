"""The base class of Keras' losses: how one is reduced, weighed, masked, configured and compared."""

import dataclasses
import inspect
import re
import sys
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxloss import _value
from jaxloss._answers import called_like_a_function
from jaxloss._arrays import class_axes, fitted, real
from jaxloss._masks import inert, mask
from jaxloss._reduce import reduced
from jaxloss._types import Array
from jaxloss.keras._reduction import REDUCTIONS, ReductionName


class _Root:
    """The base of `Loss`, beside which Keras' own can be put: Python lets no class change its bases that has none."""


@jax.tree_util.register_static
class Loss(_Root):
    r"""A loss in Keras' way: a subclass defines `call(y_true, y_pred)`, one value for each sample.

    >>> import jaxloss.keras as losses
    >>> class MeanFourthPower(losses.Loss):
    ...     def call(self, y_true, y_pred):
    ...         return jnp.mean((y_pred - y_true) ** 4, axis=-1)
    >>> loss = MeanFourthPower(reduction="sum")
    >>> float(loss(jnp.zeros((2, 3)), jnp.ones((2, 3)), sample_weight=[1.0, 0.5]))
    1.5

    With l the losses, w the sample weights broadcast to them, and n the number of losses that no mask leaves out:

    | reduction | value |
    |---|---|
    | `"sum_over_batch_size"`, `"mean"`, `"auto"` | $\sum w l / n$ |
    | `"mean_with_sample_weight"` | $\sum w l / \sum w$ |
    | `"sum"` | $\sum w l$ |
    | `"none"`, `None` | $w l$ |

    Args:
        name: What the loss is called, its class in snake case by default.
        reduction: One of the names above; those of `Reduction` are among them.
        dtype: The dtype of predictions and of the result, float32 by default.

    Raises:
        ValueError: An unknown reduction, or a dtype that is not one of floats.
    """

    name: str | None = None
    reduction: ReductionName = "sum_over_batch_size"
    dtype: Any = None  # an attribute of the class, for it hides a property of Keras' `Loss` that could not be set

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """An instance that Keras takes for one of its own, if Keras has been imported."""
        join_keras()
        return object.__new__(cls)

    def __init__(
        self, name: str | None = None, reduction: ReductionName = "sum_over_batch_size", dtype: Any = None
    ) -> None:
        self.name = name
        self.reduction = reduction
        self.dtype = dtype
        self._settle()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__eq__ = Loss.__eq__  # set here, so that @dataclass leaves them alone
        cls.__hash__ = Loss.__hash__
        jax.tree_util.register_static(cls)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "dtype" and name in vars(self):
            raise AttributeError(f"{type(self).__name__}: the dtype is set when the loss is made: make another.")
        super().__setattr__(name, value)

    def _settle(self) -> None:
        """Checks and completes what every loss has."""
        cls = type(self)
        given: Any = self.reduction
        if not isinstance(given, str | None) or given not in REDUCTIONS:
            known = ", ".join(map(repr, REDUCTIONS))
            message = f"Invalid value for argument `reduction`: it must be one of {known}, got {given!r}."
            raise ValueError(f"{cls.__name__}: {message}")
        dtype = _floatx() if self.dtype is None else getattr(self.dtype, "compute_dtype", self.dtype)
        dtype = jnp.dtype(dtype)
        if not jnp.issubdtype(dtype, jnp.floating):
            raise ValueError(f"{cls.__name__}: dtype must be one of floats, got {self.dtype!r}.")
        self.name = self.name or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
        object.__setattr__(self, "dtype", dtype.name)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None, *, mask: Any = None) -> Array:
        """The reduced loss.

        Args:
            y_true: What the model should have given, `[batch, d0, .. dN]`, or `[batch, d0, .. dN-1]` for labels.
                Integers are not cast.
            y_pred: What the model gave, `[batch, d0, .. dN]`.
            sample_weight: A number, one for each sample `[batch]`, or one for each loss `[batch, d0, .. dN-1]`.
            mask: True where a loss counts; fits as the weights do. A mask that Keras keeps for `y_pred` counts too.

        Returns:
            A scalar; without reduction one value per loss.

        Raises:
            ValueError: A weight or a mask that fits neither the samples nor the losses.
        """
        name = type(self).__name__
        masks = [mask, _mask_of_keras(y_pred)]
        y_true, y_pred = self._arrays(name, "y_true", y_true), self._arrays(name, "y_pred", y_pred)
        y_true = jax.tree.map(lambda x: _floats_as(x, self.dtype), y_true)
        y_pred = jax.tree.map(lambda x: x.astype(self.dtype), y_pred)
        masks = [_boolean(name, m) for m in (*masks, self._counted(y_true, y_pred)) if m is not None]
        losses = self._masked(y_true, y_pred, masks)
        where = None
        for m in masks:
            # A step that counts makes its sample count, where a loss is of a whole sample.
            m = _squeezed(m, losses)
            m = fitted(name, "mask", m.any(tuple(range(losses.ndim, m.ndim))), losses.shape)
            where = m if where is None else where & m
        if sample_weight is not None:
            weights = _squeezed(real(name, "sample_weight", sample_weight), losses)
            sample_weight = fitted(name, "sample_weight", weights, losses.shape)
        value = reduced(name, losses, sample_weight, where, REDUCTIONS[self.reduction])
        return value.astype(self.dtype)

    def _arrays(self, name: str, argument: str, x: Any) -> Any:
        """Nested numbers as one array; a tree of arrays, which a loss of one's own may take, as it is."""
        numbers = all(np.ndim(leaf) == 0 for leaf in jax.tree.leaves(x)) and isinstance(x, (list, tuple))
        return real(name, argument, x) if numbers else jax.tree.map(lambda x: real(name, argument, x), x)

    def _masked(self, y_true: Any, y_pred: Any, masks: list[Array]) -> Array:
        """The losses, without what is masked where a mask is of the arrays' shape."""
        for where in masks:
            y_true, y_pred = jax.tree.map(lambda x: without(where, x), (y_true, y_pred))
        return self.call(y_true, y_pred)

    def call(self, y_true: Any, y_pred: Any) -> Array:
        """One value for each sample or element, not reduced; for subclasses to define."""
        raise NotImplementedError(f"{type(self).__name__}: define call(self, y_true, y_pred).")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal loss, as plain JSON values."""
        config = {"name": self.name, "reduction": self.reduction}
        return config if self.dtype == "float32" else {**config, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The loss that `get_config` described."""
        return cls(**config)

    def _counted(self, y_true: Any, y_pred: Any) -> Array | None:
        """Which losses count by their labels."""
        return None

    def _key(self) -> Any:
        return type(self), _frozen(vars(self))

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Loss) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> Any:
        return _restored, (type(self), dict(vars(self)))


class Form(Loss):
    """A loss that is a function with options; a subclass is a dataclass of them in Keras' order."""

    fn: ClassVar[Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """An instance; arrays in the place of options are answered here."""
        if sum(np.ndim(arg) > 0 for arg in args) > 1:
            raise TypeError(called_like_a_function(cls.__name__, cls.fn.__name__, "y_true, y_pred"))
        return super().__new__(cls)

    def __post_init__(self) -> None:
        _value.settle(self)
        self._settle()

    def _arrays(self, name: str, argument: str, x: Any) -> Any:
        return real(name, argument, x)

    def _options(self) -> dict[str, Any]:
        common = ("reduction", "name", "dtype")
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in common}  # pyright: ignore[reportArgumentType]: every subclass is a dataclass

    def _masked(self, y_true: Any, y_pred: Any, masks: list[Array]) -> Array:
        """The losses; a mask has their shape, which lacks the axis of this loss."""
        axis = getattr(self, "axis", -1)
        if not masks or axis == -1:
            return super()._masked(y_true, y_pred, masks)
        (own,) = class_axes(type(self).__name__, "y_pred", y_pred, axis)
        whole = [x.ndim == y_pred.ndim for x in (y_true, y_pred)]  # labels may lack the axis
        rows = [jnp.moveaxis(x, own, -1) if has else x for x, has in zip((y_true, y_pred), whole, strict=True)]
        for where in masks:
            rows = [without(where, x) for x in rows]
        return self.call(*(jnp.moveaxis(x, -1, own) if has else x for x, has in zip(rows, whole, strict=True)))

    def call(self, y_true: Any, y_pred: Any) -> Array:
        """One value for each sample: the function with this loss's options."""
        return type(self).fn(y_true, y_pred, **self._options())

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal loss, as plain JSON values."""
        return {**super().get_config(), **{name: _value.plain(v) for name, v in self._options().items()}}


def join_keras() -> None:
    """Makes our losses Keras' own too, once Keras has been imported: others' `Model.compile` would weigh reduced.

    They are registered with it then, so that a saved model finds them.
    """
    theirs = getattr(sys.modules.get("keras.losses"), "Loss", None)
    if theirs is None or issubclass(Loss, theirs):
        return
    Loss.__bases__ = (_Root, theirs)
    package = sys.modules["jaxloss.keras"]
    for name in package.__all__:
        public = getattr(package, name)
        if inspect.isfunction(public) or (inspect.isclass(public) and issubclass(public, Loss)):
            sys.modules["keras.saving"].register_keras_serializable("jaxloss.keras", public.__name__)(public)


def _restored(cls: type[Loss], state: dict[str, Any]) -> Loss:
    loss = cls.__new__(cls)
    loss.__dict__.update(state)
    return loss


def _floats_as(x: Array, dtype: str) -> Array:
    return x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x


def _squeezed(x: Array, losses: Array) -> Array:
    """Without the last axis of length 1 that labels and weights often have."""
    return x[..., 0] if x.ndim == losses.ndim + 1 and x.shape[-1] == 1 else x


def _boolean(name: str, where: Any) -> Array:
    return mask(name, where, "mask")


def without(where: Array, x: Array) -> Array:
    """`x` with what is masked replaced, so that no nan there reaches a value or a gradient."""
    kept = where
    kept = kept[..., 0] if kept.ndim > 1 and kept.shape[-1] == 1 and kept.shape != x.shape[: kept.ndim] else kept
    if kept.shape != x.shape[: kept.ndim]:
        return x
    kept = jnp.broadcast_to(kept.reshape(kept.shape + (1,) * (x.ndim - kept.ndim)), x.shape)
    # A half is a probability, a rate and a logit, in the domain of every loss; an index of 0 is a class of every one.
    return inert(kept, (x, 0.5 if jnp.issubdtype(x.dtype, jnp.floating) else 0))[0]


def _floatx() -> str:
    """The dtype that Keras is set to, if it has been imported."""
    return getattr(sys.modules.get("keras.src.backend"), "floatx", lambda: "float32")()


def _mask_of_keras(y_pred: Any) -> Any:
    """The mask that a layer of Keras left on its output. For traced arrays Keras keeps it in a table of its own."""
    backend = sys.modules.get("keras.src.backend")
    find = getattr(backend, "get_keras_mask", lambda x: getattr(x, "_keras_mask", None))
    return find(y_pred)


def _frozen(value: Any) -> Any:
    """Something hashable that is equal where the value is."""
    if isinstance(value, Mapping):
        return tuple(sorted((k, _frozen(v)) for k, v in value.items()))
    arrays = isinstance(value, (jax.Array, np.ndarray)) and not isinstance(value, Tracer)
    return _value.key_of(np.asarray(value).tolist() if arrays else value)


__all__ = ["Form", "Loss", "join_keras", "without"]
