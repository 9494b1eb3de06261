"""Values above 0 that follow a law of a mean and a concentration."""

from typing import Any

from jaxloss._elements import Elements, Given, elementwise
from jaxloss._options import option
from jaxloss.losses.likelihood._concentrations import above_0


def positive(name: str, predictions: Any, targets: Any, concentration: Any, log_input: bool, where: Any) -> Elements:
    """Log-means or means, targets and concentrations."""
    option(name, "log_input", log_input)
    inside = lambda a: a > 0  # noqa: E731
    return elementwise(
        name,
        where,
        Given("predictions", predictions, 1.0, None if log_input else inside, "predictions must be means above 0"),
        Given("targets", targets, 1.0, inside, "targets must be above 0"),
        above_0("concentration", concentration),
    )
