"""The ways a trend can run: flat, straight, bent once, compounding, curving up or down, filling an S.

A shape is a curve over `x`, which is 0 before the first sample, 1 at the last, and more after it. A fit needs one
number for its height (two for a bend), so that weighing hundreds of shapes stays linear algebra.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from opsbot.samples import Values


class Form(StrEnum):
    FLAT = "flat"
    LINE = "line"
    CURVE = "curve"
    COMPOUND = "compound"
    FILL = "fill"
    BEND = "bend"
    LEAP = "leap"


@dataclass(frozen=True, slots=True)
class Shape:
    """`a` and `b`: rate of a curve; middle and width of an S; place of a bend or leap in x."""

    form: Form
    a: float = 0.0
    b: float = 0.0

    @property
    def bent(self) -> bool:
        """Whether it stands beside a straight line of its own."""
        return self.form in (Form.BEND, Form.LEAP)


# How much each form is believed before the data are seen; each form's share is spread over its shapes.
BELIEF = {
    Form.FLAT: 0.12,
    Form.LINE: 0.46,
    Form.CURVE: 0.08,
    Form.FILL: 0.08,
    Form.BEND: 0.15,
    Form.COMPOUND: 0.15,
    Form.LEAP: 0.01,
}
RATES = (-6.0, -4.0, -2.7, -1.8, -1.1, -0.6, 0.6, 1.1, 1.7, 2.4, 3.2, 4.2, 5.5, 7.0, 9.0, 12.0)
MIDDLES = (0.3, 0.5, 0.65, 0.8, 0.92, 1.05, 1.2, 1.45, 1.8)
WIDTHS = (0.06, 0.1, 0.16, 0.25, 0.4)
BENDS = (*np.linspace(0.1, 0.9, 17).tolist(), 0.93, 0.96)
REACH = 50.0
# Shapes of each form in the coarse lattice.
COARSE = {Form.CURVE: len(RATES), Form.FILL: len(MIDDLES) * len(WIDTHS), Form.BEND: len(BENDS)}


def curve(shape: Shape, x: Values) -> Values:
    """The shape's height over x, before it is scaled to the data."""
    return curves((shape,), x)[:, 0]


def curves(shapes: tuple[Shape, ...], x: Values) -> Values:
    """Heights over x, one column a shape."""
    heights: Values = np.empty((x.size, len(shapes)))
    forms = np.array([shape.form for shape in shapes])
    a, b = np.array([shape.a for shape in shapes]), np.array([shape.b for shape in shapes])
    for form in set(forms.tolist()):
        of = forms == form
        heights[:, of] = _heights(Form(form), a[of], b[of], x[:, None])
    return heights


def _heights(form: Form, a: Values, b: Values, x: Values) -> Values:
    match form:
        case Form.FLAT:
            return np.zeros_like(x)
        case Form.LINE:
            return x - 1
        case Form.CURVE:
            return np.asarray((np.exp(np.clip(a * (x - 1), -REACH, REACH / 2)) - 1) / a)
        case Form.COMPOUND:
            return np.asarray(np.exp(np.clip(a * (x - 1), -REACH, REACH / 2)))
        case Form.FILL:
            return np.asarray(1 / (1 + np.exp(np.clip((a - x) / b, -REACH, REACH))))
        case Form.BEND:
            return np.maximum(x - a, 0.0)
        case Form.LEAP:
            return np.asarray((x < a).astype(float))


def coarse() -> tuple[Shape, ...]:
    """What every history is tried against first."""
    return (
        Shape(Form.LINE),
        *(Shape(Form.CURVE, rate) for rate in RATES),
        *(Shape(Form.FILL, middle, width) for middle in MIDDLES for width in WIDTHS),
        *(Shape(Form.BEND, place) for place in BENDS),
    )


def finer(best: Shape, step: float) -> tuple[Shape, ...]:
    """Neighbours of the best of its form; `step` 1 is the coarse lattice's spacing."""
    if best.form is Form.BEND:
        moves = np.array([-0.75, -0.5, -0.25, 0.25, 0.5, 0.75]) * 0.05 * step
        return tuple(Shape(Form.BEND, float(np.clip(best.a + move, 0.02, 0.985))) for move in moves)
    if best.form is Form.CURVE:
        return tuple(Shape(Form.CURVE, best.a * (1 + share * step)) for share in (-0.3, -0.15, 0.15, 0.3))
    if best.form is Form.FILL:
        return tuple(
            Shape(Form.FILL, best.a + middle * step, best.b * (1 + width * step))
            for middle in (-0.09, -0.045, 0.0, 0.045, 0.09)
            for width in (-0.4, -0.2, 0.0, 0.2, 0.4)
            if middle or width
        )
    return ()


def compounding(times: Values, values: Values, x: Values) -> tuple[Shape, ...]:
    """Growth by a fixed share a day, through zero: rates around the log-linear fit, as wide as it is unsure."""
    if values.size < 8 or values.min() <= 0:
        return ()
    logs, weights = np.log(values), values**2
    middle = np.average(x, weights=weights)
    power = np.sum(weights * (x - middle) ** 2)
    mean = np.average(logs, weights=weights)
    rate = np.sum(weights * (x - middle) * (logs - mean)) / power
    rest = (logs - mean - rate * (x - middle)) * values
    unsure = 2 * np.sqrt(np.var(rest) / power)
    return tuple(Shape(Form.COMPOUND, float(rate + unsure * far)) for far in np.linspace(-2.5, 2.5, 11))
