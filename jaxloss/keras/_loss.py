"""The base classes of Keras' losses: how a loss is reduced, weighted, masked, configured and compared."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxloss import _value
from jaxloss._answers import called_like_a_function
from jaxloss._arrays import class_axes, real
from jaxloss._reduce import reduced
from jaxloss._signatures import document
from jaxloss._types import Array, Own
from jaxloss.keras._installed import floatx, join_keras, kept_mask
from jaxloss.keras._masks import mask_of_losses, masks_of, weights_of_losses, without
from jaxloss.keras._reduction import REDUCTIONS, ReductionName


class _Root:
    """The base of `Loss`, so that Keras' own class can be put beside it: a class without a base cannot get one."""


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
        name: The name of the loss; by default that of its class in snake case.
        reduction: How the losses become one number, see above.
        dtype: The dtype of the predictions and of the result, float32 by default.

    Raises:
        ValueError: An unknown reduction, or a dtype that is not floating.
    """

    name: str | None = None
    reduction: ReductionName = "sum_over_batch_size"
    dtype: Any = None  # an attribute of the class, for it hides a property of Keras' `Loss` that could not be set
    _masked_label: ClassVar[float] = 0.5
    """What a masked label that is a float is replaced by: one in the domain of the loss."""

    def __new__(cls: type[Own], *args: Any, **kwargs: Any) -> Own:
        """An instance that Keras takes for one of its own, if Keras has been imported."""
        join_keras(Loss)
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
        document(cls)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "dtype" and name in vars(self):
            raise AttributeError(f"{type(self).__name__}: the dtype is set when the loss is made: make another.")
        super().__setattr__(name, value)

    def _settle(self) -> None:
        """Checks and completes the attributes that every loss has."""
        cls = type(self)
        given: Any = self.reduction
        if not isinstance(given, str | None) or given not in REDUCTIONS:
            known = ", ".join(map(repr, REDUCTIONS))
            message = f"Invalid value for argument `reduction`: it must be one of {known}, got {given!r}."
            raise ValueError(f"{cls.__name__}: {message}")
        dtype = floatx() if self.dtype is None else getattr(self.dtype, "compute_dtype", self.dtype)
        dtype = jnp.dtype(dtype)
        if not jnp.issubdtype(dtype, jnp.floating):
            raise ValueError(f"{cls.__name__}: dtype must be floating, such as float32, got {self.dtype!r}.")
        self.name = self.name or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
        object.__setattr__(self, "dtype", dtype.name)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None, *, mask: Any = None) -> Array:
        """The reduced loss.

        Args:
            y_true: Targets, `[batch, d0, .. dN]`, or labels, `[batch, d0, .. dN-1]`. Integers are not cast.
            y_pred: Predictions, `[batch, d0, .. dN]`.
            sample_weight: A number, one for each sample `[batch]`, or one for each loss `[batch, d0, .. dN-1]`.
            mask: True where a loss counts; fits as the weights do. A mask that Keras keeps for `y_pred` counts too.

        Returns:
            A scalar; without reduction one value per loss.

        Raises:
            ValueError: A weight or a mask that fits neither the samples nor the losses.
        """
        name = type(self).__name__
        kept = kept_mask(y_pred)
        y_true, y_pred = self._arrays(name, "y_true", y_true), self._arrays(name, "y_pred", y_pred)
        y_true = jax.tree.map(lambda x: _floats_as(x, self.dtype), y_true)
        y_pred = jax.tree.map(lambda x: x.astype(self.dtype), y_pred)
        masks = masks_of(name, [mask, kept, self._counted(y_true, y_pred)])
        losses, where = self._counting(name, y_true, y_pred, masks)
        sample_weight = weights_of_losses(name, sample_weight, losses)
        value = reduced(name, losses, sample_weight, where, REDUCTIONS[self.reduction])
        return value.astype(self.dtype)

    def _arrays(self, name: str, argument: str, x: Any) -> Any:
        """Nested numbers as one array; a tree of arrays, which a user's own loss may take, as it is."""
        numbers = all(np.ndim(leaf) == 0 for leaf in jax.tree.leaves(x)) and isinstance(x, (list, tuple))
        return real(name, argument, x) if numbers else jax.tree.map(lambda x: real(name, argument, x), x)

    def _counting(self, name: str, y_true: Any, y_pred: Any, masks: list[Array]) -> tuple[Array, Array | None]:
        """The losses, and the mask of those that count; None for all of them."""
        losses = self._masked(y_true, y_pred, masks)
        return losses, mask_of_losses(name, masks, losses)

    def _masked(self, y_true: Any, y_pred: Any, masks: list[Array]) -> Array:
        """The losses; elements that a mask of the arrays' shape leaves out are not read."""
        for where in masks:
            y_true = jax.tree.map(lambda x: without(where, x, fill=self._masked_label), y_true)
            y_pred = jax.tree.map(lambda x: without(where, x), y_pred)
        return self.call(y_true, y_pred)

    def call(self, y_true: Any, y_pred: Any) -> Array:
        """One value for each sample or element, not reduced; for subclasses to define."""
        raise NotImplementedError(f"{type(self).__name__}: define call(self, y_true, y_pred).")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal loss, as plain JSON values."""
        config = {"name": self.name, "reduction": self.reduction}
        return config if self.dtype == "float32" else {**config, "dtype": self.dtype}

    @classmethod
    def from_config(cls: type[Own], config: Mapping[str, Any]) -> Own:
        """The loss that `get_config` described."""
        return cls(**config)

    def _counted(self, y_true: Any, y_pred: Any) -> Array | None:
        """The mask of the losses that count by their labels; None for all of them."""
        return None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Loss):
            return NotImplemented
        return type(self) is type(other) and _frozen(vars(self)) == _frozen(vars(other))

    def __hash__(self) -> int:
        fields = _frozen(vars(self))
        for name, value in fields:
            try:
                hash(value)
            except TypeError as error:
                raise TypeError(
                    f"{type(self).__name__}: {name} cannot be hashed, which what jax.jit compiles for must be, got "
                    f"{vars(self)[name]!r}: keep numbers, strings and arrays, or lists, tuples and dicts of them."
                ) from error
        return hash((type(self), fields))

    def __reduce__(self) -> Any:
        return _restored, (type(self), dict(vars(self)))


class Form(Loss):
    """A loss that is a function with options; a subclass is a dataclass of them in Keras' order."""

    fn: ClassVar[Any]

    def __new__(cls: type[Own], *args: Any, **kwargs: Any) -> Own:
        """An instance; arrays in the place of options are answered here."""
        if sum(np.ndim(arg) > 0 for arg in args) > 1:
            raise TypeError(called_like_a_function(cls.__name__, cast(Any, cls).fn.__name__, "y_true, y_pred"))
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
        """The losses; masked elements are not read. A mask has the shape of the losses, without the class axis."""
        axis = getattr(self, "axis", -1)
        if not masks or axis == -1:
            return super()._masked(y_true, y_pred, masks)
        (class_axis,) = class_axes(type(self).__name__, "y_pred", y_pred, axis)
        of_labels = class_axis if y_true.ndim == y_pred.ndim else None
        for where in masks:
            y_true = without(where, y_true, of_labels, self._masked_label)
            y_pred = without(where, y_pred, class_axis)
        return self.call(y_true, y_pred)

    def call(self, y_true: Any, y_pred: Any) -> Array:
        """One value for each sample: the function with this loss's options."""
        return type(self).fn(y_true, y_pred, **self._options())

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal loss, as plain JSON values."""
        return {**super().get_config(), **{name: _value.plain(v) for name, v in self._options().items()}}


def _restored(cls: type[Loss], state: dict[str, Any]) -> Loss:
    loss = cls.__new__(cls)
    loss.__dict__.update(state)
    return loss


def _floats_as(x: Array, dtype: str) -> Array:
    return x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x


def _frozen(value: Any) -> Any:
    """A value that compares and hashes for this one; a list is equal to the array of its numbers, as in a config."""
    if isinstance(value, Mapping):
        return tuple((key, _frozen(value[key])) for key in sorted(value, key=repr))
    if isinstance(value, (jax.Array, np.ndarray)) and not isinstance(value, Tracer):
        value = np.asarray(value).tolist()
    return tuple(map(_frozen, value)) if isinstance(value, (list, tuple)) else _value.key_of(value)


__all__ = ["Form", "Loss"]
