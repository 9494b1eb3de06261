"""The loss of a last layer and its gradient in float64, from the formulas; it shares no code with the library."""

import numpy as np


def wide(x):
    return None if x is None else np.asarray(x, np.float64)


def forward(hidden, kernel, labels, *, bias=None, logit_cap=None, kernel_layout="dv", **_):
    """Logits of rows, the slope of the cap, log-partition functions, and labels to index with."""
    x = wide(hidden).reshape(-1, np.shape(hidden)[-1])
    w = wide(kernel) if kernel_layout == "dv" else wide(kernel).T
    z = x @ w + (0 if bias is None else wide(bias))
    slope = np.ones_like(z)
    if logit_cap is not None:
        slope = 1 / np.cosh(z / logit_cap) ** 2
        z = logit_cap * np.tanh(z / logit_cap)
    top = z.max(1, keepdims=True)
    lse = (top + np.log(np.exp(z - top).sum(1, keepdims=True)))[:, 0]
    t = np.asarray(labels).reshape(-1)
    return x, w, z, slope, lse, np.clip(t, 0, z.shape[1] - 1)


def token_weights(labels, *, weights=None, where=None, ignore_index=None, reduction="mean", **_):
    """The factor of each token's loss in the reduced loss."""
    shape = np.shape(labels)
    expand = lambda a: np.broadcast_to(np.reshape(a, np.shape(a) + (1,) * (len(shape) - np.ndim(a))), shape)
    keep = np.ones(shape, bool) if where is None else expand(where)
    if ignore_index is not None:
        keep = keep & (np.asarray(labels) != ignore_index)
    a = keep * (1.0 if weights is None else expand(wide(weights)))
    divisor = {"mean": a.sum(), "sum_over_batch_size": keep.sum()}.get(reduction, 1)
    return (a / divisor).reshape(-1)


def losses(hidden, kernel, labels, *, class_weights=None, label_smoothing=0.0, z_loss=0.0, **options):
    _, _, z, _, lse, t = forward(hidden, kernel, labels, **options)
    s, classes, rows = label_smoothing, z.shape[1], np.arange(len(t))
    w = np.ones(classes) if class_weights is None else wide(class_weights)
    spread = ((lse[:, None] - z) * w).sum(1)
    return (1 - s) * w[t] * (lse - z[rows, t]) + s / classes * spread + z_loss * lse**2


def loss(hidden, kernel, labels, **options):
    return (losses(hidden, kernel, labels, **options) * token_weights(labels, **options)).sum()


def gradient(hidden, kernel, labels, *, class_weights=None, label_smoothing=0.0, z_loss=0.0, **options):
    """The gradient of the reduced loss in the hidden states, the kernel and the bias."""
    x, w, z, slope, lse, t = forward(hidden, kernel, labels, **options)
    s, classes, rows = label_smoothing, z.shape[1], np.arange(len(t))
    cw = np.ones(classes) if class_weights is None else wide(class_weights)
    p = np.exp(z - lse[:, None])
    onehot = np.zeros_like(z)
    onehot[rows, t] = 1
    of_lse = (1 - s) * cw[t] + s / classes * cw.sum() + 2 * z_loss * lse
    dz = of_lse[:, None] * p - (1 - s) * cw[t][:, None] * onehot - s / classes * cw
    return pulled_back(dz * token_weights(labels, **options)[:, None], x, w, slope, hidden, options)


def gradient_of_pair(hidden, kernel, labels, of_lse, of_target, **options):
    """The gradient of sum(of_lse * lse + of_target * target)."""
    x, w, z, slope, lse, t = forward(hidden, kernel, labels, **options)
    dz = wide(of_lse).reshape(-1, 1) * np.exp(z - lse[:, None])
    dz[np.arange(len(t)), t] += wide(of_target).reshape(-1)
    return pulled_back(dz, x, w, slope, hidden, options)


def pulled_back(dz, x, w, slope, hidden, options):
    dz = dz * slope
    dw = x.T @ dz
    dw = dw if options.get("kernel_layout", "dv") == "dv" else dw.T
    return (dz @ w.T).reshape(np.shape(hidden)), dw, dz.sum(0)


def curvature(hidden, kernel, bias, labels, direction, **options):
    """The derivative of the gradient along a direction, by a central difference."""
    h, point = 1e-5, (wide(hidden), wide(kernel), wide(bias))
    at = lambda step: [p + step * wide(d) for p, d in zip(point, direction, strict=True)]
    up, down = (gradient(x, w, labels, bias=b, **options) for x, w, b in (at(h), at(-h)))
    return [(a - b) / (2 * h) for a, b in zip(up, down, strict=True)]


def error(got, expected):
    """The largest error over the largest answer, and infinity for nan."""
    got, expected = wide(got), wide(expected)
    assert got.shape == expected.shape
    size = np.abs(expected).max() or 1.0
    worst = np.abs(got - expected).max() / size
    return worst if np.isfinite(worst) else np.inf
