"""What Cost Explorer can group and filter by, and its filter expressions."""

from collections.abc import Callable, Iterator

from opsbot.replica.bill import Line
from opsbot.replica.codec import Fault, Params

Keep = Callable[[Line], bool]
Value = Callable[[Line], str]

DIMENSIONS: dict[str, Value] = {
    "LINKED_ACCOUNT": lambda line: line.account,
    "OPERATION": lambda line: line.operation or "NoOperation",
    "RECORD_TYPE": lambda line: line.record_type,
    "REGION": lambda line: line.region,
    "SERVICE": lambda line: line.service,
    "USAGE_TYPE": lambda line: line.usage_type or "NoUsageType",
}
_OPERATORS = ("Or", "And", "Not", "Dimensions", "Tags", "CostCategories")
_MATCHES: dict[str, Callable[[str, str], bool]] = {
    "EQUALS": str.__eq__,
    "STARTS_WITH": str.startswith,
    "ENDS_WITH": str.endswith,
    "CONTAINS": str.__contains__,
}


def refused(message: str) -> Fault:
    """The error that Cost Explorer has for every request it does not take."""
    return Fault("ValidationException", message)


def dimension(name: str) -> Value:
    """A line's value of a dimension. Raises Fault for one that this bill does not know."""
    if name not in DIMENSIONS:
        raise refused(f"Dimension {name!r} is not supported; known are {', '.join(sorted(DIMENSIONS))}")
    return DIMENSIONS[name]


def tag(key: str) -> Value:
    """A line's value of a cost allocation tag; "" where it has none."""
    return lambda line: dict(line.tags).get(key, "")


def keeper(expression: Params | None) -> Keep:
    """The filter that an expression means; one operator to an expression, as in AWS. Raises Fault."""
    if not expression:
        return lambda line: True
    given = [name for name in _OPERATORS if expression.get(name)]
    if len(given) != 1:
        raise refused("Expression has more than one roots, only one root is allowed for each expression")
    root = given[0]
    if root in ("Or", "And"):
        return _several(root, expression[root])
    if root == "Not":
        inner = keeper(expression["Not"])
        return lambda line: not inner(line)
    return _values(root, expression[root])


def _several(root: str, expressions: list[Params]) -> Keep:
    if len(expressions) < 2:
        raise refused(f"The expression {root!r} must have at least 2 operands")
    parts = [keeper(one) for one in expressions]
    joined = any if root == "Or" else all
    return lambda line: joined(part(line) for part in parts)


def _values(root: str, wanted: Params) -> Keep:
    if root == "CostCategories":
        raise refused("Cost categories are not supported")
    key, values = str(wanted.get("Key", "")), [str(value) for value in wanted.get("Values") or ()]
    value = dimension(key) if root == "Dimensions" else tag(key)
    options = [option for option in wanted.get("MatchOptions") or () if option != "CASE_SENSITIVE"]
    if "ABSENT" in options:
        return lambda line: not value(line)
    matches = list(_chosen(options or ["EQUALS"]))
    return lambda line: any(match(value(line), one) for match in matches for one in values)


def _chosen(options: list[str]) -> Iterator[Callable[[str, str], bool]]:
    for option in options:
        if option not in _MATCHES:
            raise refused(f"Match option {option!r} is not supported")
        yield _MATCHES[option]
