"""Reading lines of handwritten digits with `jaxloss.CTCLoss`: nobody says where in the line a digit stands.

The lines are put together from the 1,797 images of scikit-learn's digits, with gaps of random width. A fifth of the
images is kept apart, for the lines that the reader is judged on. The reader is a small convolutional network that gives
every two columns of pixels logits of eleven classes: ten digits, and the blank.

    python notebooks/digit_lines.py [--out build/digit_lines.png] [--seed 0] [--in-order]

The notebook beside this file tells the same story cell by cell.
"""

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.figure
import numpy as np
import optax
from flax import nnx
from scipy import ndimage
from sklearn.datasets import load_digits
from style import BLUE, INK, ORANGE, STYLE
from tqdm import tqdm

import jaxloss

LOSS = jaxloss.CTCLoss()

BLANK = 0  # what CTCLoss takes for the blank unless told otherwise; the digit d is class d + 1
CLASSES = 11

HEIGHT, WIDTH = 8, 96  # pixels of an image that holds any line
SHORTEST, LONGEST = 3, 8  # digits in a line
WIDEST_GAP = 4  # columns without ink before a digit
STRIDE = 2  # columns in a frame

# How many of a hundred held-out digits the reader may get wrong.
ERROR_RATE_ALLOWED = 0.05


# --- the data ---------------------------------------------------------------------------------------------------------


class Digits(NamedTuple):
    images: np.ndarray  # [images, 8, 8]: ink from 0 to 1
    labels: np.ndarray  # [images]: 0 to 9


class Lines(NamedTuple):
    images: np.ndarray  # [lines, HEIGHT, WIDTH]: ink from 0 to 1; empty to the right of the line
    labels: np.ndarray  # [lines, LONGEST]: classes 1 to 10; 0 beyond the last digit
    label_lengths: np.ndarray  # [lines]: how many digits
    frames: np.ndarray  # [lines]: how many frames of the network the line covers


def load(seed: int = 0, in_order: bool = False) -> tuple[Digits, Digits]:
    """Images to train on, and a fifth that is held out: at random, or the last fifth as they are listed."""
    bunch = load_digits()
    images, labels = bunch.images.astype(np.float32) / 16, bunch.target
    order = np.arange(len(images)) if in_order else np.random.default_rng(seed).permutation(len(images))
    train, held_out = np.split(order, [len(order) * 4 // 5])
    return Digits(images[train], labels[train]), Digits(images[held_out], labels[held_out])


def rewrite(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The digit as the same hand might write it again: a little turned, slanted, stretched and moved."""
    angle, slant = rng.uniform(-0.2, 0.2, size=2)
    turn = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix = turn @ np.array([[1, 0], [slant, 1]]) @ np.diag(rng.uniform(0.85, 1.15, size=2))
    centre = np.array([3.5, 3.5])
    return ndimage.affine_transform(image, matrix, centre - matrix @ centre + rng.uniform(-0.7, 0.7, size=2), order=1)


def augment(digits: Digits, times: int = 20, seed: int = 0) -> Digits:
    """Every image rewritten so many times."""
    rng = np.random.default_rng(seed)
    images = np.stack([rewrite(image, rng) for _ in range(times) for image in digits.images])
    return Digits(images, np.tile(digits.labels, times))


def make_lines(digits: Digits, count: int, rng: np.random.Generator) -> Lines:
    """Lines of random images with random gaps."""
    label_lengths = rng.integers(SHORTEST, LONGEST + 1, size=count)
    chosen = rng.integers(len(digits.images), size=(count, LONGEST))
    inked = np.arange(LONGEST) < label_lengths[:, None]
    ends = np.cumsum(8 + rng.integers(WIDEST_GAP + 1, size=(count, LONGEST)), axis=1)

    images = np.zeros((count, HEIGHT, WIDTH), np.float32)
    line, digit = np.nonzero(inked)
    columns = ends[line, digit, None] + np.arange(-8, 0)
    # The indices apart from the slice come first: what is assigned is [digits, columns, rows].
    images[line[:, None], :, columns] = digits.images[chosen[line, digit]].swapaxes(1, 2)
    return Lines(
        images=images,
        labels=np.where(inked, digits.labels[chosen] + 1, BLANK),
        label_lengths=label_lengths,
        frames=-(-ends[np.arange(count), label_lengths - 1] // STRIDE),
    )


# --- the model --------------------------------------------------------------------------------------------------------


class Reader(nnx.Module):
    """Convolutions over the image, then over the frames."""

    def __init__(self, rngs: nnx.Rngs):
        self.strokes = nnx.Conv(1, 16, (3, 3), rngs=rngs)
        self.shapes = nnx.Conv(16, 32, (3, 3), strides=(2, STRIDE), rngs=rngs)
        self.digits = nnx.Conv(32 * HEIGHT // 2, 128, (5,), rngs=rngs)
        self.out = nnx.Linear(128, CLASSES, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Logits, `[lines, frames, classes]`."""
        x = nnx.relu(self.strokes(images[..., None]))
        x = nnx.relu(self.shapes(x))
        x = jnp.swapaxes(x, 1, 2)  # [lines, frames, rows, channels]
        x = nnx.relu(self.digits(x.reshape(*x.shape[:2], -1)))
        return self.out(x)


# --- training ---------------------------------------------------------------------------------------------------------


def line_loss(model: Reader, lines: Lines) -> jax.Array:
    """The mean loss of these lines, in nats per line."""
    return LOSS(model(lines.images), lines.labels, logit_lengths=lines.frames, label_lengths=lines.label_lengths)


@nnx.jit
def train_step(model, optimizer, lines):
    value, grads = nnx.value_and_grad(line_loss)(model, lines)
    optimizer.update(model, grads)
    return value


evaluate = nnx.jit(line_loss)


def train(digits: Digits, held_out: Lines, *, steps: int = 1000, batch: int = 64, seed: int = 0):
    """A reader, its loss after each step as (steps, losses), and the same for the held-out lines.

    No batch comes twice: the lines of each are made for it. The held-out lines are only watched.
    """
    rng = np.random.default_rng(seed)
    model = Reader(nnx.Rngs(seed))
    # The first gradients are ten times as long as the later ones, and Adam would make small steps for long after them.
    schedule = optax.warmup_cosine_decay_schedule(0.0, 4e-3, warmup_steps=steps // 20, decay_steps=steps)
    adam = optax.chain(optax.clip_by_global_norm(5.0), optax.adam(schedule))
    optimizer = nnx.Optimizer(model, adam, wrt=nnx.Param)
    seen, unseen = [], []
    with tqdm(total=steps, desc="reader", unit="step", ncols=110, mininterval=0.5) as bar:
        for step in range(1, steps + 1):
            seen.append((step, float(train_step(model, optimizer, make_lines(digits, batch, rng)))))
            if step == 1 or step % 25 == 0:
                unseen.append((step, float(evaluate(model, held_out))))
            bar.update()
            bar.set_postfix_str(f"loss {seen[-1][1]:.3f}, held out {unseen[-1][1]:.3f}", refresh=False)
    return model, np.array(seen).T, np.array(unseen).T


# --- reading ----------------------------------------------------------------------------------------------------------


@nnx.jit
def best_classes(model, images):
    return model(images).argmax(-1)


def read(model: Reader, lines: Lines) -> list[str]:
    """Greedy decoding: the best class of each frame, repetitions merged, then blanks dropped."""
    readings = []
    for path, frames in zip(np.asarray(best_classes(model, lines.images)), lines.frames, strict=True):
        path = path[:frames]
        starts = np.diff(path, prepend=BLANK) != 0
        readings.append("".join(str(k - 1) for k in path[starts] if k != BLANK))
    return readings


def written(lines: Lines) -> list[str]:
    """What the lines really say."""
    return ["".join(str(k - 1) for k in row if k != BLANK) for row in lines.labels]


def edits(a: str, b: str) -> int:
    """The fewest digits to insert, drop or replace to turn one text into the other (Levenshtein's distance)."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (x != y)))
    return row[-1]


def error_rate(readings: list[str], truths: list[str]) -> float:
    """The character error rate: all edits over all digits."""
    return sum(map(edits, readings, truths)) / sum(map(len, truths))


def table(model: Reader, sets: dict[str, Lines]) -> str:
    """The loss, the character error rate and the share of lines without an error, for each set of lines."""
    rows = [f"{'':<18}{'lines':>8}{'digits':>8}{'nats per line':>16}{'digit errors':>14}{'faultless':>12}"]
    for name, lines in sets.items():
        readings, truths = read(model, lines), written(lines)
        right = np.mean([a == b for a, b in zip(readings, truths, strict=True)])
        numbers = f"{len(truths):>8}{lines.label_lengths.sum():>8}{evaluate(model, lines):>16.3f}"
        rows.append(f"{name:<18}{numbers}{error_rate(readings, truths):>14.2%}{right:>12.1%}")
    return "\n".join(rows)


# --- the alignment ----------------------------------------------------------------------------------------------------


def take(lines: Lines, rows) -> Lines:
    return Lines(*(field[rows] for field in lines))


def alignment(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """How probable each class is in each frame, given what the line says: `[frames, classes]`.

    The gradient of the loss is the softmax minus this posterior, so one call of `jax.grad` gives it.
    """
    return jax.nn.softmax(logits) - jax.grad(LOSS)(logits, labels)


def align(model: Reader, lines: Lines, index: int) -> np.ndarray:
    """The alignment of one of the lines."""
    logits = model(lines.images[index][None])[0, : lines.frames[index]]
    return np.asarray(alignment(logits, lines.labels[index][: lines.label_lengths[index]]))


def with_a_double(lines: Lines) -> int:
    """The first full line with the same digit twice in a row."""
    double = (lines.labels[:, 1:] == lines.labels[:, :-1]) & (lines.labels[:, 1:] != BLANK)
    return int(np.argmax(double.any(1) & (lines.label_lengths == LONGEST)))


# --- the plots --------------------------------------------------------------------------------------------------------

PLAIN = STYLE | {"axes.grid": False}  # most of these are images


def show(axes, lines: Lines, index: int) -> None:
    """The image of one line, up to its last frame."""
    width = STRIDE * int(lines.frames[index])
    axes.imshow(lines.images[index][:, :width], cmap="gray_r", extent=(0, width, HEIGHT, 0), vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])


def plot_training(seen, unseen) -> matplotlib.figure.Figure:
    with matplotlib.rc_context(PLAIN):
        figure = matplotlib.figure.Figure(figsize=(8, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.plot(*seen, color=BLUE, linewidth=1, label="training lines, each batch new")
        axes.plot(*unseen, color=ORANGE, marker="o", markersize=4, label="held-out lines")
        axes.set(title="Training", xlabel="step", ylabel="CTC loss, nats per line", yscale="log")
        axes.grid()
        axes.legend(loc="upper right")
    return figure


def plot_lines(lines: Lines, readings: list[str] | None = None, rows: int = 5) -> matplotlib.figure.Figure:
    """Two columns of lines; given readings, those on the left were read wrong."""
    truths = written(lines)
    indices = range(len(truths))
    if readings is not None:
        indices = sorted(indices, key=lambda i: readings[i] == truths[i])
        # Half of them wrong, half of them right.
        indices = [*indices[:rows], *indices[-rows:]]
    with matplotlib.rc_context(PLAIN):
        figure = matplotlib.figure.Figure(figsize=(10, 0.95 * rows), layout="constrained")
        for axes, i in zip(figure.subplots(rows, 2).T.flat, indices, strict=False):
            show(axes, lines, i)
            axes.set(anchor="W", xlim=(0, WIDTH))  # one scale for all
            if readings is None:
                axes.set_title(truths[i], fontweight="normal")
            else:
                right = readings[i] == truths[i]
                title = readings[i] if right else f"{readings[i]}, in truth {truths[i]}"
                axes.set_title(title, fontweight="normal", color=INK if right else ORANGE)
    return figure


def plot_alignment(posteriors: dict[str, np.ndarray], lines: Lines, index: int) -> matplotlib.figure.Figure:
    """Alignments of one line, and below them its image on the same axis."""
    width = STRIDE * int(lines.frames[index])
    with matplotlib.rc_context(PLAIN):
        figure = matplotlib.figure.Figure(figsize=(10, 2.6 * len(posteriors) + 1.2), layout="constrained")
        *above, below = figure.subplots(
            len(posteriors) + 1, 1, sharex=True, height_ratios=[*[2.4] * len(posteriors), 1]
        )
        for axes, (title, posterior) in zip(above, posteriors.items(), strict=True):
            picture = axes.imshow(
                posterior.T, cmap="Blues", aspect="auto", vmin=0, vmax=1, extent=(0, width, CLASSES - 0.5, -0.5)
            )
            axes.set(title=title, yticks=range(CLASSES), yticklabels=["blank", *map(str, range(10))])
        show(below, lines, index)
        below.set(aspect="auto", xlabel=f"the line {written(lines)[index]}; a frame is {STRIDE} columns of pixels")
        figure.colorbar(picture, ax=above, label="probability", shrink=0.6)
    return figure


# --- all of it --------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/digit_lines.png"), help="where the plot goes")
    parser.add_argument("--seed", type=int, default=0, help="of the split, the lines and the network")
    parser.add_argument("--in-order", action="store_true", help="hold out the last fifth of the images as listed")
    options = parser.parse_args()
    start = time.perf_counter()

    digits, others = load(options.seed, options.in_order)
    rng = np.random.default_rng(options.seed + 1)
    held_out, familiar = make_lines(others, 500, rng), make_lines(digits, 500, rng)
    print(f"{len(digits.images):,} images to train on, {len(others.images)} held out\n", flush=True)

    model, *_ = train(augment(digits, seed=options.seed), held_out, seed=options.seed)
    print(f"\n{table(model, {'training images': familiar, 'held-out images': held_out})}\n")

    index = with_a_double(held_out)
    untrained = Reader(nnx.Rngs(options.seed))
    posteriors = {"before training": align(untrained, held_out, index), "after": align(model, held_out, index)}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    plot_alignment(posteriors, held_out, index).savefig(options.out, dpi=150)
    print(f"Plot: {options.out}\nTime: {time.perf_counter() - start:.0f} s", flush=True)
    rate = error_rate(read(model, held_out), written(held_out))
    # Written so that a nan is a miss too.
    if not rate < ERROR_RATE_ALLOWED:
        raise SystemExit(f"The reader got {rate:.2%} of the digits wrong, allowed {ERROR_RATE_ALLOWED:.0%}.")


if __name__ == "__main__":
    main()
