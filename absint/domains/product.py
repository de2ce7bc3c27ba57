"""The reduced product of domains: transfer in every component, then refinement of each by all the others.

Components exchange what they know as intervals. After Cousot and Cousot (1979).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

from absint.domains.interval import IntervalDomain
from absint.domains.lattice import Domain, Interval
from absint.ops.precision import Precision
from absint.ops.table import Op

Element = tuple[Any, ...]


class ProductDomain:
    """The product of several domains. An element is a tuple, one element a component, and describes the
    intersection of their values.
    """

    def __init__(self, components: Sequence[Domain[Any]]) -> None:
        assert components, "a product needs a component"
        self.components = tuple(components)
        self.name = ",".join(component.name for component in components)
        self.relational = any(component.relational for component in components)
        self.precision: Precision = components[0].precision
        self.batched = components[0].batched
        self._intervals = IntervalDomain(self.precision, self.batched)

    def _each(self, make: Callable[[Domain[Any]], Any]) -> Element:
        return tuple(make(component) for component in self.components)

    def _reduce(self, element: Element) -> Element:
        """Refine every component by the intersection of all components' intervals."""
        if len(element) == 1:
            return element
        bounds = self.to_interval(element)
        return tuple(
            component.refine(part, bounds) for component, part in zip(self.components, element, strict=True)
        )

    def top(self) -> Element:
        """Any value, NaN included."""
        return self._each(lambda component: component.top())

    def bottom(self) -> Element:
        """No value."""
        return self._each(lambda component: component.bottom())

    def constant(self, value: float) -> Element:
        """Just this value, rounded to the precision."""
        return self._each(lambda component: component.constant(value))

    def variable(self, name: str, bounds: Interval) -> Element:
        """A variable of the program."""
        return self._each(lambda component: component.variable(name, bounds))

    def from_interval(self, bounds: Interval) -> Element:
        """The smallest element that contains an interval: in every component its own."""
        return self._each(lambda component: component.from_interval(bounds))

    def to_interval(self, element: Element) -> Interval:
        """The intersection of the components' intervals."""
        parts = [
            component.to_interval(part) for component, part in zip(self.components, element, strict=True)
        ]
        return reduce(self._intervals.refine, parts)

    def refine(self, element: Element, bounds: Interval) -> Element:
        """Refine every component by the bounds."""
        return tuple(
            component.refine(part, bounds) for component, part in zip(self.components, element, strict=True)
        )

    def join(self, a: Element, b: Element) -> Element:
        """The join, component by component."""
        return tuple(component.join(p, q) for component, p, q in zip(self.components, a, b, strict=True))

    def leq(self, a: Element, b: Element) -> Any:
        """Whether every component proves it."""
        return self._all([c.leq(p, q) for c, p, q in zip(self.components, a, b, strict=True)])

    def contains(self, element: Element, value: Any) -> Any:
        """Whether every component contains the value."""
        return self._all([c.contains(p, value) for c, p in zip(self.components, element, strict=True)])

    def transfer(self, op: Op, operands: Sequence[Element]) -> Element:
        """Transfer component by component, then reduce."""
        return self._reduce(
            tuple(
                component.transfer(op, [operand[i] for operand in operands])
                for i, component in enumerate(self.components)
            )
        )

    def less(self, a: Element, b: Element) -> Any:
        """Whether some component proves a < b."""
        return self._any([c.less(p, q) for c, p, q in zip(self.components, a, b, strict=True)])

    def less_equal(self, a: Element, b: Element) -> Any:
        """Whether some component proves a <= b."""
        return self._any([c.less_equal(p, q) for c, p, q in zip(self.components, a, b, strict=True)])

    @staticmethod
    def _all(answers: list[Any]) -> Any:
        return reduce(lambda p, q: p & q, answers)

    @staticmethod
    def _any(answers: list[Any]) -> Any:
        return reduce(lambda p, q: p | q, answers)
