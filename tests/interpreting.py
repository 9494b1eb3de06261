"""Evaluates what JAX traces by NumPy, operation by operation: compiling is most of the time that a test takes.

Calls, `cond` and `scan` are followed; what has no rule here, such as a sort or a scatter, JAX computes. A test that
asks by `interpreted` asks whether a program has the right operations; what is compiled of them, those by `jax.jit` ask.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal, jaxprs_in_params
from jax.lax import GatherScatterMode, RoundingMethod


def interpreted(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function like `jax.jit(function)`, traced once for each structure, shape and type of its arguments."""
    programs = {}

    def run(*args: Any, **named: Any) -> Any:
        leaves, structure = jax.tree.flatten((args, named))
        kind = structure, tuple((np.shape(x), jnp.result_type(x)) for x in leaves), jax.config.jax_enable_x64
        if kind not in programs:
            closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args, **named)
            programs[kind] = _Program(closed), jax.tree.structure(shapes)
        program, returned = programs[kind]
        with np.errstate(all="ignore"):
            return jax.tree.unflatten(returned, map(_flushed, program(map(_flushed, leaves))))

    return run


def _flushed(x: Any) -> np.ndarray:
    """Zeros for subnormal numbers, with which no compiled program computes."""
    x = np.asarray(x)
    if x.dtype.kind != "f":
        return x
    return np.where(np.abs(x) < np.finfo(x.dtype).tiny, np.copysign(x.dtype.type(0), x), x)


class _Program:
    """What was traced, with or without its constants, as a list of functions of numbered values; calls are inlined."""

    def __init__(self, traced: Any):
        self.values: list[Any] = []  # constants, and None for what is computed
        self.steps: list[tuple[Callable[..., Any], list[int], list[tuple[int, Any]]]] = []
        jaxpr = getattr(traced, "jaxpr", traced)
        self.inputs = [(self._numbered(None), v.aval.dtype) for v in jaxpr.invars]
        self.outputs = self._inlined(traced, [number for number, _ in self.inputs])

    def __call__(self, arrays: Iterable[Any]) -> list[np.ndarray]:
        values = self.values.copy()
        for (number, dtype), x in zip(self.inputs, arrays, strict=True):
            values[number] = np.asarray(x, dtype)
        for function, taken, made in self.steps:
            found = function(*(values[i] for i in taken))
            for (number, dtype), x in zip(made, found if len(made) != 1 else (found,), strict=True):
                values[number] = np.asarray(x, dtype)
        return [values[i] for i in self.outputs]

    def _numbered(self, value: Any) -> int:
        self.values.append(value)
        return len(self.values) - 1

    def _inlined(self, traced: Any, inputs: list[int]) -> list[int]:
        """Appends the steps of what was traced; the numbers of its results."""
        jaxpr, constants = getattr(traced, "jaxpr", traced), getattr(traced, "consts", ())
        numbers = dict(zip(jaxpr.invars, inputs, strict=True))
        for variable, value in zip(jaxpr.constvars, constants, strict=True):
            numbers[variable] = self._numbered(np.asarray(value, variable.aval.dtype))

        def numbered(atom: Any) -> int:
            if isinstance(atom, Literal):
                return self._numbered(np.asarray(atom.val, atom.aval.dtype))
            return numbers[atom]

        for equation in jaxpr.eqns:
            taken, name = [numbered(atom) for atom in equation.invars], equation.primitive.name
            if name in CALLS:
                made = self._inlined(equation.params[CALLS[name]], taken)
            else:
                made = [self._numbered(None) for _ in equation.outvars]
                types = [variable.aval.dtype for variable in equation.outvars]
                self.steps.append((_function(equation), taken, list(zip(made, types, strict=True))))
            numbers.update(zip(equation.outvars, made, strict=True))
        return [numbered(atom) for atom in jaxpr.outvars]


_programs: WeakKeyDictionary[Any, _Program] = WeakKeyDictionary()


def _program(traced: Any) -> _Program:
    """The program of a branch or of a loop's body, made once."""
    key = getattr(traced, "jaxpr", traced)
    if key not in _programs:
        _programs[key] = _Program(traced)
    return _programs[key]


def _function(equation: Any) -> Callable[..., Any]:
    """The function of arrays of one equation; of several results, it returns as many."""
    name, params = equation.primitive.name, equation.params
    if name in FOLLOWED:
        return FOLLOWED[name](equation)
    if not (name in OF_FLOATS and equation.invars[0].aval.dtype.kind not in "fV"):
        if name in ELEMENTWISE:
            return ELEMENTWISE[name]
        if name in RULES:
            return partial(RULES[name], **params)
    found = equation.primitive.get_bind_params(params)
    functions, params = found if isinstance(found, tuple) else ((), found)  # a pair in JAX before 0.12
    several = equation.primitive.multiple_results

    def bound(*arrays: np.ndarray) -> Any:
        made = equation.primitive.bind(*functions, *map(jnp.asarray, arrays), **params)
        return _alone([*made]) if several else made

    # One that holds a program, such as `shard_map`, would compile each of its operations by itself.
    return jax.jit(bound) if any(True for _ in jaxprs_in_params(equation.params)) else bound


def _alone(found: list[Any]) -> Any:
    """A step of one result returns it alone."""
    return found[0] if len(found) == 1 else found


def _chosen(equation: Any) -> Callable[..., Any]:
    branches = [_program(branch) for branch in equation.params["branches"]]
    return lambda which, *arrays: _alone(branches[int(which)](arrays))


def _scanned(equation: Any) -> Callable[..., Any]:
    """Constants and carry as they are, then what is sliced, which has an axis more than the body takes."""
    traced, length = equation.params["jaxpr"], equation.params["length"]
    body, steps = _program(traced), range(length)[:: -1 if equation.params["reverse"] else 1]
    carried = sum(
        len(outer.aval.shape) == len(inner.aval.shape)
        for outer, inner in zip(equation.outvars, traced.jaxpr.outvars, strict=True)
    )
    whole = sum(
        len(outer.aval.shape) == len(inner.aval.shape)
        for outer, inner in zip(equation.invars, traced.jaxpr.invars, strict=True)
    )
    stacked = [(v.aval.shape, v.aval.dtype) for v in equation.outvars[carried:]]

    def run(*inputs: np.ndarray) -> Any:
        constants, carry, sliced = inputs[: whole - carried], inputs[whole - carried : whole], inputs[whole:]
        rows = [np.empty(shape, dtype) for shape, dtype in stacked]
        for i in steps:
            made = body((*constants, *carry, *(x[i] for x in sliced)))
            carry = made[:carried]
            for row, x in zip(rows, made[carried:], strict=True):
                row[i] = x
        return _alone([*carry, *rows])

    return run


def _broadcast(x: np.ndarray, *, shape, broadcast_dimensions, **_: Any) -> np.ndarray:
    return _placed(x, shape, broadcast_dimensions)


def _counted(*, dtype, shape, dimension, **_: Any) -> np.ndarray:
    return _placed(np.arange(shape[dimension], dtype=dtype), shape, (dimension,))


def _placed(x: np.ndarray, shape: tuple[int, ...], dimensions: Iterable[int]) -> np.ndarray:
    """`x`, whose axes are these dimensions of a shape, broadcast to it."""
    lengths = [1] * len(shape)
    for dimension, length in zip(dimensions, x.shape, strict=True):
        lengths[dimension] = length
    placed = np.empty(shape, x.dtype)
    placed[...] = x.reshape(lengths)
    return placed


def _converted(x: np.ndarray, *, new_dtype, **_: Any) -> np.ndarray:
    if x.dtype.kind == "f" and np.issubdtype(new_dtype, np.integer):  # XLA takes the nearest, and 0 for nan
        limits = np.iinfo(new_dtype)
        x = np.clip(np.nan_to_num(x.astype(np.float64)), limits.min, limits.max)
    return x.astype(new_dtype)


def _power(x: np.ndarray, *, y: int, **_: Any) -> np.ndarray:
    return np.power(x, x.dtype.type(y))


def _rounded(x: np.ndarray, *, mantissa_bits: int, **_: Any) -> np.ndarray:
    bits, drop = x.view(f"u{x.itemsize}"), np.finfo(x.dtype).nmant - mantissa_bits
    if drop <= 0:
        return x
    one = bits.dtype.type(1)
    last = (bits >> drop) & one
    bits = (bits + (one << drop - 1) - one + last) >> drop << drop
    return np.where(np.isfinite(x), bits.view(x.dtype), x)


def _ends(x: np.ndarray) -> tuple[Any, Any]:
    """The least and the largest of a type."""
    limits = np.iinfo(x.dtype) if x.dtype.kind in "iu" else None
    return (limits.min, limits.max) if limits else (-np.inf, np.inf)


def _padded(x: np.ndarray, value: np.ndarray, *, padding_config, **_: Any) -> np.ndarray:
    """An array of the value, then `x` with steps between its elements; a negative number of them cuts some off."""
    apart = np.full(
        [max(0, n + (n - 1) * inner) for n, (_, _, inner) in zip(x.shape, padding_config, strict=True)], value
    )
    apart[tuple(slice(None, None, inner + 1) for _, _, inner in padding_config)] = x
    cut = tuple(
        slice(max(0, -low), n - max(0, -high)) for n, (low, high, _) in zip(apart.shape, padding_config, strict=True)
    )
    return np.pad(apart[cut], [(max(0, low), max(0, high)) for low, high, _ in padding_config], constant_values=value)


def _gathered(
    x: np.ndarray, indices: np.ndarray, *, dimension_numbers: Any, slice_sizes, mode, fill_value, **_: Any
) -> np.ndarray:
    """One slice of `x` for each index, whose axes are the offset dimensions of the result."""
    how, batch = dimension_numbers, indices.shape[:-1]
    rank = len(batch) + len(how.offset_dims)
    of_batch = [d for d in range(rank) if d not in how.offset_dims]
    dropped = {*how.collapsed_slice_dims, *how.operand_batching_dims}
    offsets = dict(zip((d for d in range(x.ndim) if d not in dropped), how.offset_dims, strict=True))
    shape = [0] * rank
    for d, n in [*zip(of_batch, batch, strict=True), *((to, slice_sizes[d]) for d, to in offsets.items())]:
        shape[d] = n
    places, outside = [np.zeros(shape, np.int64) for _ in range(x.ndim)], np.zeros(shape, bool)
    for i, d in enumerate(how.start_index_map):
        starts, last = indices[..., i].astype(np.int64), x.shape[d] - slice_sizes[d]
        outside |= _placed((starts < 0) | (starts > last), shape, of_batch)
        places[d] += _placed(np.clip(starts, 0, last), shape, of_batch)
    for d, along in zip(how.operand_batching_dims, how.start_indices_batching_dims, strict=True):
        places[d] += _placed(np.arange(x.shape[d]), shape, [of_batch[along]])
    for d, to in offsets.items():
        places[d] += _placed(np.arange(slice_sizes[d]), shape, [to])
    found = x[tuple(places)]
    if mode != GatherScatterMode.FILL_OR_DROP:
        return found
    filling = (np.nan if x.dtype.kind in "fV" else _ends(x)[0]) if fill_value is None else fill_value
    return np.where(outside, np.asarray(filling, x.dtype), found)


def _product(x: np.ndarray, y: np.ndarray, *, axes: str, dtype: Any) -> np.ndarray:
    return np.einsum(axes, *(a.astype(dtype).astype(x.dtype) for a in (x, y)))


def _nearest(x: np.ndarray, *, rounding_method: Any, **_: Any) -> np.ndarray:
    even = rounding_method == RoundingMethod.TO_NEAREST_EVEN
    return np.rint(x) if even else np.copysign(np.floor(np.abs(x) + x.dtype.type(0.5)), x)


def _split(x: np.ndarray, *, sizes, axis: int) -> Any:
    parts = np.split(x, np.cumsum(sizes[:-1]), axis)
    return _alone(parts)


def _sliced(x: np.ndarray, *, start_indices, limit_indices, strides, **_: Any) -> np.ndarray:
    strides = strides or (1,) * x.ndim
    return x[tuple(map(slice, start_indices, limit_indices, strides))]


CALLS = {"jit": "jaxpr", "pjit": "jaxpr", "remat2": "jaxpr"} | dict.fromkeys(
    ["closed_call", "custom_jvp_call", "custom_vjp_call", "eval_jaxpr"], "call_jaxpr"
)
FOLLOWED = {"cond": _chosen, "scan": _scanned}
OF_FLOATS = {"div", "integer_pow"}
ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "abs": np.abs,
    "add": np.add,
    "add_any": np.add,
    "and": np.bitwise_and,
    "clamp": lambda low, x, high: np.minimum(np.maximum(x, low), high),
    "div": np.divide,
    "eq": np.equal,
    "exp": np.exp,
    "expm1": np.expm1,
    "ge": np.greater_equal,
    "gt": np.greater,
    "is_finite": np.isfinite,
    "le": np.less_equal,
    "log": np.log,
    "log1p": np.log1p,
    "lt": np.less,
    "max": np.maximum,
    "min": np.minimum,
    "mul": np.multiply,
    "ne": np.not_equal,
    "neg": np.negative,
    "not": np.invert,
    "or": np.bitwise_or,
    "pow": np.power,
    "select_n": lambda which, *cases: np.where(which, *cases[::-1]) if len(cases) == 2 else np.choose(which, cases),
    "shift_left": np.left_shift,
    "shift_right_arithmetic": np.right_shift,
    "sign": np.sign,
    "sqrt": np.sqrt,
    "square": np.square,
    "stop_gradient": np.asarray,
    "sub": np.subtract,
    "xor": np.bitwise_xor,
}
RULES: dict[str, Callable[..., Any]] = {
    "bitcast_convert_type": lambda x, *, new_dtype, **_: x.view(new_dtype),
    "broadcast_in_dim": _broadcast,
    "concatenate": lambda *arrays, dimension, **_: np.concatenate(arrays, dimension),
    "convert_element_type": _converted,
    "gather": _gathered,
    "integer_pow": _power,
    "iota": _counted,
    "jaxloss_product": _product,
    "pad": _padded,
    "reduce_and": lambda x, *, axes, **_: np.bitwise_and.reduce(x, axes),
    "reduce_max": lambda x, *, axes, **_: np.max(x, axes, initial=_ends(x)[0]),
    "reduce_min": lambda x, *, axes, **_: np.min(x, axes, initial=_ends(x)[1]),
    "reduce_precision": _rounded,
    "reduce_or": lambda x, *, axes, **_: np.bitwise_or.reduce(x, axes),
    "reduce_sum": lambda x, *, axes, **_: np.sum(x, axes),
    "reshape": lambda x, *, new_sizes, **_: x.reshape(new_sizes),
    "round": _nearest,
    "rev": lambda x, *, dimensions, **_: np.flip(x, dimensions),
    "slice": _sliced,
    "split": _split,
    "squeeze": lambda x, *, dimensions, **_: np.squeeze(x, dimensions),
    "transpose": lambda x, *, permutation, **_: np.transpose(x, permutation),
}

__all__ = ["interpreted"]
