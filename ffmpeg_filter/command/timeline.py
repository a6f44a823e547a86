"""FFmpeg timeline expressions for `enable`: numbers, t, n, comparisons and arithmetic. Pure."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from fractions import Fraction

from vsadcvsr.errors import UsageError

type _Variables = dict[str, float]

_FUNCTIONS: dict[str, tuple[int, Callable[..., float]]] = {
    "between": (3, lambda x, low, high: float(low <= x <= high)),
    "gt": (2, lambda x, y: float(x > y)),
    "gte": (2, lambda x, y: float(x >= y)),
    "lt": (2, lambda x, y: float(x < y)),
    "lte": (2, lambda x, y: float(x <= y)),
    "eq": (2, lambda x, y: float(x == y)),
    "not": (1, lambda x: float(x == 0)),
    "if": (3, lambda test, then, other: then if test else other),
    "mod": (2, lambda x, y: x - x // y * y if y else 0.0),
    "min": (2, min),
    "max": (2, max),
    "abs": (1, abs),
    "floor": (1, lambda x: float(x // 1)),
}
_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda x, y: x / y if y else 0.0,
}
_THRESHOLD = 0.5
"""Values from here on count as true."""
_RENAMED = {"not": "not_", "if": "if_"}


def condition(text: str) -> Callable[[Fraction | None, int], bool]:
    """The expression as a predicate of time (seconds) and frame number. Raises UsageError for unsupported syntax."""
    source = text
    for name, safe in _RENAMED.items():
        source = re.sub(rf"\b{name}\s*\(", f"{safe}(", source)
    try:
        tree = ast.parse(source, mode="eval").body
        evaluate = _compile(tree, text)
    except SyntaxError:
        raise UsageError.of("enable", text, "an expression of t and n, such as between(t,10,20)") from None

    def active(time: Fraction | None, number: int) -> bool:
        return abs(evaluate({"t": float(time or 0), "n": float(number)})) >= _THRESHOLD

    return active


def _compile(node: ast.expr, text: str) -> Callable[[_Variables], float]:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            value = float(number)
            return lambda _: value
        case ast.Name(id="t" | "n" as name):
            return lambda variables: variables[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _compile(operand, text)
            return lambda variables: -inner(variables)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            first, second, act = _compile(left, text), _compile(right, text), _OPERATORS[type(op)]
            return lambda variables: act(first(variables), second(variables))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            known = _FUNCTIONS.get(name.removesuffix("_"))
            if known and known[0] == len(arguments):
                parts, call = [_compile(argument, text) for argument in arguments], known[1]
                return lambda variables: call(*(part(variables) for part in parts))
    allowed = f"numbers, t, n, + - * /, {', '.join(_FUNCTIONS)}"
    raise UsageError.of("enable", text, allowed, "functions take as many arguments as in FFmpeg")
