"""What the losses of lifetimes share: which times are given, and how the pieces of a law are put together.

A lifetime is known exactly, or to lie beyond a time, before it, or between two. Each is a probability, or a density,
under the condition of survival to the entry, and each law has its own pieces of them. A piece is computed where it is
asked for, with harmless arguments elsewhere, where it might be infinite.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._elements import Elements, Given, elementwise
from jaxloss._types import Array, Mask, Numbers
from jaxloss.numerics import Pair


class Observed(NamedTuple):
    """What is known of each lifetime, as the caller gave it; None where it was left out."""

    targets: Numbers
    upper: Numbers | None
    censored: Numbers | None
    left_censored: Numbers | None
    entry: Numbers | None

    @property
    def given(self) -> tuple[str, ...]:
        """The names of the arrays that were not left out, but for the targets."""
        return tuple(key for key in self._fields[1:] if getattr(self, key) is not None)


class Lifetimes(NamedTuple):
    """The arrays of a loss of lifetimes, those that were left out as None, and the flags as booleans."""

    predictions: Array
    targets: Array
    parameters: tuple[Array, ...]
    upper: Array | None
    censored: Array | None
    left_censored: Array | None
    entry: Array | None


class Pieces(NamedTuple):
    """Minus the logs of a law's probabilities, after survival to the entry; each takes the elements it is asked for."""

    event: Callable[[Array | None], Array]
    """Of the density at the target."""
    survival: Callable[[Array | None], Array]
    """Of survival beyond the target."""
    within: Callable[[Array | None], Array]
    """Of an event before the target or, after survival to the target, before the upper bound."""


def lifetimes(
    name: str, predictions: Given, observed: Observed, where: Mask | None, *parameters: Given, positive: bool
) -> Elements:
    """The arrays, in their domain; if `positive`, no event is at time 0, nor before it."""
    if observed.upper is not None and (observed.censored is not None or observed.left_censored is not None):
        raise ValueError(
            f"{name}: upper and flags of censoring exclude each other: an upper bound of infinity is a right-censored "
            "target, and a target of 0 below the bound a left-censored one."
        )
    times = lambda t: (t >= 0) & (t < jnp.inf)  # noqa: E731
    flags = lambda f: (f == 0) | (f == 1)  # noqa: E731
    optional = {
        "upper": Given("upper", observed.upper, 1.0, lambda u: u >= 0, "upper must be at least 0"),
        "censored": Given("censored", observed.censored, 0.0, flags, "censored must be 0 or 1", option=True),
        "left_censored": Given(
            "left_censored", observed.left_censored, 0.0, flags, "left_censored must be 0 or 1", option=True
        ),
        "entry": Given("entry", observed.entry, 0.0, times, "entry must be finite and at least 0"),
    }
    targets = Given("targets", observed.targets, 1.0, times, "targets must be finite and at least 0")
    elements = elementwise(name, where, predictions, targets, *parameters, *(optional[key] for key in observed.given))
    return elements.within(name, *_together(elements.arrays, observed.given, positive))


def _together(arrays: tuple[Array, ...], given: tuple[str, ...], positive: bool) -> list[tuple[Array, str]]:
    """The rules of several arrays together."""
    t, named, rules = arrays[1], dict(zip(given, arrays[len(arrays) - len(given) :], strict=True)), []
    upper, entry, zero = named.get("upper"), named.get("entry"), jnp.zeros_like(t)
    censored, left = named.get("censored", zero), named.get("left_censored", zero)
    if positive and upper is not None:
        rules.append((upper > 0, "upper must be above 0"))
    elif positive:
        rules.append(((t > 0) | (censored == 1), "targets must be above 0 unless right-censored"))
    if upper is not None:
        rules.append((upper >= t, "upper must be at least the target"))
    if "censored" in named and "left_censored" in named:
        rules.append((censored * left == 0, "censored and left_censored must not both be set"))
    if entry is not None and upper is not None:
        rules.append((entry <= t, "entry must be at most the target"))
    elif entry is not None:
        rules.append(((entry < t) | (entry == 0), "entry must be below the target"))
    return rules


def lifetime_nll(
    elements: Elements, observed: Observed, build: Callable[..., Pieces], *options: Any, long: bool = False
) -> Array:
    """The losses of the elements by a law, whose pieces are `build(lifetimes, *options)` of options that hash.

    The loss of an event alone is computed at once, unless it is so long that XLA stores parts of it.
    """
    return elements.finish(_program(build, observed.given, options, long)(*elements.arrays))


@cache
def _program(
    build: Callable[..., Pieces], given: tuple[str, ...], options: tuple[Any, ...], long: bool
) -> Callable[..., Array]:
    """(predictions, targets, parameters, then the given arrays) -> losses."""

    def losses(*arrays: Array) -> Array:
        own = len(arrays) - len(given)
        named = dict(zip(given, arrays[own:], strict=True))
        flags = {key: named[key] == 1 if key in named else None for key in ("censored", "left_censored")}
        upper, entry = named.get("upper"), named.get("entry")
        lives = Lifetimes(arrays[0], arrays[1], arrays[2:own], upper, flags["censored"], flags["left_censored"], entry)
        return _chosen(lambda asked: build(_gated(lives, asked), *options), lives)

    return numerics.in_blocks(losses) if given or long else numerics.apart(losses)


def _chosen(pieces: Callable[[Array | None], Pieces], lives: Lifetimes) -> Array:
    """Of each element the piece that is asked for."""
    if lives.upper is not None:
        exact = lives.upper == lives.targets
        between = ~exact & (lives.upper < jnp.inf)
        ending = pieces(between).within(between)
        beyond = pieces(~exact).survival(~exact) + jnp.where(between, ending, jnp.zeros_like(ending))
        return jnp.where(exact, pieces(exact).event(exact), beyond)
    right, left = lives.censored, lives.left_censored
    given = [flag for flag in (right, left) if flag is not None]
    event = ~(given[0] | given[-1]) if given else None
    losses = pieces(event).event(event)
    if right is not None:
        losses = jnp.where(right, pieces(right).survival(right), losses)
    if left is not None:
        losses = jnp.where(left, pieces(left).within(left), losses)
    return losses


def _gated(lives: Lifetimes, asked: Array | None) -> Lifetimes:
    """The lifetimes without derivatives where the mask is False: a slope that is not asked for may be infinite."""
    if asked is None:
        return lives
    gate = lambda x, fill: None if x is None else numerics.gated(x, asked, fill)  # noqa: E731
    return lives._replace(
        predictions=numerics.gated(lives.predictions, asked, 1.0),
        targets=numerics.gated(lives.targets, asked, 1.0),
        parameters=tuple(numerics.gated(x, asked, 1.0) for x in lives.parameters),
        upper=gate(lives.upper, 2.0),
        entry=gate(lives.entry, 0.5),
    )


class Law(NamedTuple):
    """A law of standardized logarithms of times: the primitives of `numerics`."""

    event: Callable[[Pair], Array]
    survival: Callable[[Pair], Array]
    before: Callable[[Pair], Array]
    event_since: Callable[[Pair, Pair, Array], Array]
    since: Callable[[Pair, Pair, Array], Array]
    within: Callable[[Pair, Pair, Array], Array]


class Standard(NamedTuple):
    """How a law standardizes times."""

    number: Callable[[Array], Pair]
    rate: Array
    """The slope of the number in the logarithm of time."""
    log_rate: Array


def standard_pieces(law: Law, standard: Standard, lives: Lifetimes) -> Pieces:
    """The pieces of a law of standardized logarithms of times."""
    t, entry = lives.targets, lives.entry
    number = standard.number(t)

    def chosen(asked: Array | None, *pairs: Pair) -> list[Pair]:
        fills = (0.0, -1.0)[: len(pairs)]
        filled = zip(pairs, fills, strict=True)
        return [(numerics.keep(asked, z, fill), numerics.keep(asked, low)) for (z, low), fill in filled]

    def since(asked: Array | None, start: Array, end: Array) -> tuple[Pair, Pair, Array]:
        last, first = chosen(asked, standard.number(end), standard.number(start))
        return last, first, numerics.keep(asked, numerics.spread(start, end, standard.rate), 1.0)

    def event(asked: Array | None) -> Array:
        time = numerics.keep(asked, t, 1.0)
        density = law.event(*chosen(asked, number)) if entry is None else law.event_since(*since(asked, entry, t))
        return density + jnp.log(time) - standard.log_rate

    def survival(asked: Array | None) -> Array:
        return law.survival(*chosen(asked, number)) if entry is None else law.since(*since(asked, entry, t))

    def within(asked: Array | None) -> Array:
        if lives.upper is not None:
            return law.within(*since(asked, t, lives.upper))
        return law.before(*chosen(asked, number)) if entry is None else law.within(*since(asked, entry, t))

    return Pieces(event, survival, within)


def location_nll(
    name: str, law: Law, predictions: Numbers, scale: Numbers, observed: Observed, where: Mask | None
) -> Array:
    """The losses by a law of locations and scales of the logarithms of times."""
    inside = lambda s: (s > 0) & (s < jnp.inf)  # noqa: E731
    spread = Given("scale", scale, 1.0, inside, "scale must be above 0", broadcasts=True)
    elements = lifetimes(name, Given("predictions", predictions, 0.0), observed, where, spread, positive=True)
    return lifetime_nll(elements, observed, _location_pieces, law)


def _location_pieces(lives: Lifetimes, law: Law) -> Pieces:
    x, (s,) = lives.predictions, lives.parameters
    return standard_pieces(law, Standard(lambda t: numerics.standardized_over(x, t, s), 1 / s, -jnp.log(s)), lives)
