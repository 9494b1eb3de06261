"""PyTorch's CTC: infeasible sequences, concatenated targets, what is refused."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxloss.torch import functional as F
from tests.compiling import jit, quick
from tests.dropins.rows import plainest
from tests.torch.refusing import LABELS, LP, Y, bad_input_is_refused
from tests.torch.rows import ROWS

PLAIN = plainest(row for row in ROWS if row.samples)
CTC = next(row for row in PLAIN if row.fn is F.ctc_loss)


def test_a_sequence_without_an_alignment_has_no_slope():
    x, targets, _, lengths = CTC.ordered(CTC.draw())
    loss = partial(F.ctc_loss, reduction="none")
    joined = np.concatenate([np.tile(targets[0], 4), targets[2, :2]])  # far more labels than frames

    @jit
    def run(x):
        # The shift is normalised away.
        infeasible, pull_back = jax.vjp(lambda x: loss(x + 3, targets, np.array([2, 9, 9]), lengths), x)
        return infeasible, loss(x, joined, np.array([9, 9, 9]), np.array([16, 0, 2])), pull_back(jnp.ones(3))[0]

    infeasible, longer, slope = run(x)
    assert np.isinf(infeasible).tolist() == [True, False, False]
    np.testing.assert_allclose(longer, infeasible, rtol=1e-5)
    assert np.isfinite(slope).all()
    assert not np.any(slope[:, 0])


def test_concatenated_targets_are_padded_ones():
    """Of another length than their lengths add up to, they are nan."""
    x, targets, frames, lengths = CTC.ordered(CTC.draw())
    each = partial(F.ctc_loss, reduction="none")
    joined = np.concatenate([row[:n] for row, n in zip(targets, lengths, strict=True)])
    wrong = [(joined[:-1], lengths), (np.append(joined, 1), lengths), (joined[:0], 0 * lengths)]

    @jit
    def run(x):
        pairs = [jax.vjp(lambda x: each(x, y, frames, lengths), x) for y in (targets, joined)]
        return [(value, pull_back(value)) for value, pull_back in pairs], [each(x, y, frames, n) for y, n in wrong]

    (padded, concatenated), answers = run(x)
    np.testing.assert_allclose(concatenated[0], padded[0], rtol=1e-6)
    np.testing.assert_allclose(concatenated[1], padded[1], rtol=1e-5, atol=1e-6)
    assert np.isnan(answers).all(1).tolist() == [True, True, False]
    assert np.isfinite(answers[2]).all()


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32])
def test_concatenated_targets_are_integers_of_any_width(dtype):
    """A sum has the widest integers that there are."""
    x, targets, frames, lengths = CTC.ordered(CTC.draw())
    joined = np.concatenate([row[:n] for row, n in zip(targets, lengths, strict=True)])
    with jax.enable_x64(True):
        both = quick(lambda *joined: [F.ctc_loss(x, y, frames, lengths) for y in joined])(
            joined.astype(np.int64), joined.astype(dtype)
        )
    assert both[0] == both[1]


ERRORS = [
    (F.ctc_loss, (LP[..., None], LABELS, LABELS, LABELS), {}, ValueError, ["log_probs"]),
    (F.ctc_loss, (LP, LABELS[:, None][:2], LABELS, LABELS), {}, ValueError, ["targets", "(2, 1)"]),
    (F.ctc_loss, (LP, LABELS, LABELS[:2], LABELS), {}, ValueError, ["input_lengths", "(2,)"]),
    (F.ctc_loss, (LP, LABELS, LABELS, Y[:, 0]), {}, TypeError, ["target_lengths", "float32"]),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "arguments", "options", "error", "words"), ERRORS)
def test_bad_input_is_refused_while_tracing(loss, arguments, options, error, words):
    bad_input_is_refused(loss, arguments, options, error, words)
