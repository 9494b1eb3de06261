"""Draws docs/pictures/confidence-light.svg and -dark.svg: what float32 leaves of a cross-entropy as confidence grows.

python docs/pictures.py

Both libraries are asked for the loss of two classes, logits [margin, 0] and label 0, and its slope in the first logit,
for margins in steps of 0.01. Truth is log(1 + exp(-margin)) in float64.
"""

import pathlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxloss

FOLDER = pathlib.Path(__file__).parent / "pictures"
MARGINS = (np.arange(8001) / 100).astype(np.float32)
SHOWN = 40
THEMES = {
    "light": {"ink": "#24292f", "grid": "#d0d7de", "jaxloss": "#0969da", "optax": "#cf222e"},
    "dark": {"ink": "#e6edf3", "grid": "#3d444d", "jaxloss": "#58a6ff", "optax": "#ff7b72"},
}


class Curve(NamedTuple):
    """The loss at each margin, and the size of its slope in the label's logit."""

    loss: np.ndarray
    slope: np.ndarray


def curve(function) -> Curve:
    """What a library computes, without compilation, so that no optimization has a part in it."""
    logits = jnp.stack([jnp.asarray(MARGINS), jnp.zeros(len(MARGINS))], axis=1)
    labels = jnp.zeros(len(MARGINS), jnp.int32)
    losses, back = jax.vjp(lambda x: function(x, labels), logits)
    return Curve(np.asarray(losses), -np.asarray(back(jnp.ones_like(losses))[0][:, 0]))


def measured() -> dict[str, Curve]:
    """The curves of both libraries."""
    name = "softmax_cross_entropy_with_integer_labels"
    return {"jaxloss": curve(getattr(jaxloss, name)), "optax": curve(getattr(optax.losses, name))}


def truth() -> Curve:
    """The curves in float64."""
    x = MARGINS.astype(np.float64)
    return Curve(np.log1p(np.exp(-x)), 1 / (1 + np.exp(x)))


def zero_from(values: np.ndarray) -> float:
    """The margin from which on all values are exactly 0."""
    return float(MARGINS[np.nonzero(values)[0][-1] + 1])


def off(values: np.ndarray, true: np.ndarray) -> float:
    """The largest error, in units in the last place of float32."""
    return float(np.max(np.abs(values - true) / np.spacing(true.astype(np.float32))))


def sentence(curves: dict[str, Curve]) -> str:
    """The picture in words, with the numbers measured."""
    ours, theirs, true = curves["jaxloss"], curves["optax"], truth()
    error = max(off(mine, right) for mine, right in zip(ours, true, strict=True))
    return (
        f"Cross-entropy in float32 over the margin of the label's logit. optax: the loss is exactly 0 from a margin of "
        f"{zero_from(theirs.loss):.2f} on, its slope from {zero_from(theirs.slope):.2f}. jaxloss: both are within "
        f"{error:.1f} units in the last place up to {MARGINS[-1]:.0f}."
    )


def draw(curves: dict[str, Curve], theme: str) -> None:
    """Writes the picture for one background."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    colours = THEMES[theme]
    plt.rcParams.update({"svg.hashsalt": "jaxloss", "font.size": 10, "axes.edgecolor": colours["grid"]})
    plt.rcParams.update({f"{key}.color": colours["ink"] for key in ("text", "xtick", "ytick")})
    plt.rcParams["axes.labelcolor"] = colours["ink"]
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True, layout="constrained")
    shown = MARGINS <= SHOWN
    for panel, field, title in zip(panels, Curve._fields, ("loss", "|slope| in the label's logit"), strict=True):
        for name, width in (("optax", 1.6), ("jaxloss", 2.4)):
            values = np.maximum(getattr(curves[name], field), 1e-30)  # 0 is below the panel
            panel.semilogy(MARGINS[shown], values[shown], color=colours[name], linewidth=width, label=name)
        end = zero_from(getattr(curves["optax"], field))
        panel.annotate(
            f"optax: exactly 0\nfrom {end:.2f} on", (end, 1e-13), (1.5, 1e-14), color=colours["optax"], va="center"
        )
        panel.text(27, 1e-9, "jaxloss", color=colours["jaxloss"])
        panel.set(title=title, xlabel="margin of the label's logit", ylim=(1e-18, 3), xlim=(0, SHOWN))
        panel.grid(color=colours["grid"], linewidth=0.5)
        panel.spines[["top", "right"]].set_visible(False)
    metadata = {"Date": None, "Description": sentence(curves), "Title": "Confident examples in float32"}
    figure.savefig(FOLDER / f"confidence-{theme}.svg", transparent=True, metadata=metadata)
    plt.close(figure)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for theme in THEMES:
        draw(measured(), theme)
    print(sentence(measured()))
