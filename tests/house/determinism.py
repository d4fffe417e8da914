"""What would make two runs of one seed differ, found in a syntax tree: calls, and orders of sets.

A lint of names, not of types: it knows what a name was last given in the same function, what a
parameter or a field is annotated as, and follows no call.
"""

import ast
import re
from collections.abc import Iterator

MODULES = {
    *("time", "random", "uuid", "secrets", "threading", "multiprocessing", "sched"),
    "concurrent.futures",
}
"""Every call into these (and every mention of such a function) is one."""
WORDS = {
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
    *("os.urandom", "os.getrandom", "os.getpid", "os.listdir", "os.scandir"),
    *("asyncio.to_thread", "tempfile.mkdtemp", "tempfile.mkstemp"),
}
BARE = {"hash", "id"}
LOOP_WORDS = {"time", "run_in_executor"}

SAFE = {
    *("sorted", "min", "max", "len", "any", "all", "set", "frozenset", "bool", "isinstance"),
    "Counter",
}
"""What makes the same of a set in whatever order it is walked. `sum` of Decimals may round."""
SET_METHODS = {"union", "intersection", "difference", "symmetric_difference", "copy"}
SETS = {"set", "frozenset", "AbstractSet", "Set", "MutableSet"}
TAKERS = {
    *("tuple", "list", "enumerate", "iter", "next", "zip", "map", "filter", "reversed", "str"),
    *("repr", "sum", "dict", "print", "deque", "chain"),
}


def calls_of(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield what a module mentions of clocks, chance, threads and addresses, and in which line."""
    names = _imported(tree)
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute | ast.Name) or id(node) in inner:
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            continue
        word = _full_name(node, names)
        if word is not None:
            yield word, node.lineno
        elif isinstance(node, ast.Attribute) and node.attr in LOOP_WORDS:
            owner = ast.unparse(node.value)
            if re.search(r"(^|[._])loop(\(\))?$", owner):
                yield f"loop.{node.attr}", node.lineno
        elif isinstance(node, ast.Name) and node.id in BARE and node.id not in names:
            yield node.id, node.lineno


def _imported(tree: ast.Module) -> dict[str, str]:
    """Return what each imported name stands for: `dt` for datetime, `monotonic` for time's."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    names[alias.asname] = alias.name
                else:
                    names[alias.name.split(".")[0]] = alias.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _full_name(node: ast.expr, names: dict[str, str]) -> str | None:
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in names:
        return None
    first, rest = node.id, ".".join(reversed(parts))
    full = names[first] + (f".{rest}" if rest else "")
    full = re.sub(r"^datetime\.(?=(datetime|date)\b)", "", full)
    if any(full.startswith(f"{module}.") for module in MODULES):
        return full
    return full if full in WORDS else None


def set_orders(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield where the order of a set can reach something: line and text."""
    fields = _set_fields(tree)
    yield from _Walk(fields, _set_names(tree.body, {})).of(tree.body)


def _set_fields(tree: ast.Module) -> set[str]:
    """Names of the fields that some class annotates as a set, and none as anything else."""
    kinds: dict[str, set[bool]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for line in node.body:
                if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                    kinds.setdefault(line.target.id, set()).add(_is_set_hint(line.annotation))
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Attribute):
            kinds.setdefault(node.target.attr, set()).add(_is_set_hint(node.annotation))
    return {name for name, found in kinds.items() if found == {True}}


def _is_set_hint(hint: ast.expr | None) -> bool:
    if hint is None:
        return False
    if isinstance(hint, ast.BinOp):
        return _is_set_hint(hint.left) or _is_set_hint(hint.right)
    if isinstance(hint, ast.Constant) and isinstance(hint.value, str):
        return bool(re.match(r"(frozen)?set\b", hint.value))
    base = hint.value if isinstance(hint, ast.Subscript) else hint
    return ast.unparse(base).rsplit(".", 1)[-1] in SETS


def _set_names(body: list[ast.stmt], known: dict[str, bool]) -> dict[str, bool]:
    """Return which names of a scope are sets: as annotated, or as every assignment gives them."""
    given: dict[str, list[bool]] = {}
    for node in _in_scope(body):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            given.setdefault(node.target.id, []).append(_is_set_hint(node.annotation))
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    is_set = is_set_value(node.value, {**known}, set())
                    given.setdefault(target.id, []).append(is_set)
    return {**known, **{name: all(found) for name, found in given.items()}}


def _in_scope(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Yield the nodes of a body, without what functions and classes in it hold."""
    todo: list[ast.AST] = list(body)
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            todo.extend(ast.iter_child_nodes(node))


def is_set_value(node: ast.expr, names: dict[str, bool], fields: set[str]) -> bool:
    """True where an expression is a set, as far as names tell."""

    def again(each: ast.expr) -> bool:
        return is_set_value(each, names, fields)

    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Name():
            return names.get(node.id, False)
        case ast.Attribute():
            return node.attr in fields
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.Call(func=ast.Attribute(value=owner, attr=attr)) if attr in SET_METHODS:
            return again(owner)
        case ast.BinOp(op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor()):
            sides = (node.left, node.right)
            return any(again(side) or _is_keys(side) for side in sides)
        case ast.IfExp():
            return again(node.body) or again(node.orelse)
        case ast.BoolOp():
            return any(again(each) for each in node.values)
        case ast.NamedExpr():
            return again(node.value)
    return False


def _is_keys(node: ast.expr) -> bool:
    """A view of keys: alone it has the order of its mapping, in a set operation none."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "keys"
    )


class _Walk:
    """Looks through one scope and the scopes in it."""

    def __init__(self, fields: set[str], names: dict[str, bool]) -> None:
        self._fields, self._names = fields, names

    def of(self, body: list[ast.stmt]) -> Iterator[tuple[int, str]]:
        nodes = list(_in_scope(body))
        safe = {id(node) for each in nodes for node in _safe_in(each)}
        for node in nodes:
            for walked in _walked(node, safe):
                if is_set_value(walked, self._names, self._fields):
                    yield walked.lineno, ast.unparse(walked)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                yield from self._inside(node)
            elif isinstance(node, ast.ClassDef):
                yield from _Walk(self._fields, self._names).of(node.body)

    def _inside(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    ) -> Iterator[tuple[int, str]]:
        arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        known = self._names | {each.arg: _is_set_hint(each.annotation) for each in arguments}
        body = [ast.Expr(node.body)] if isinstance(node, ast.Lambda) else node.body
        yield from _Walk(self._fields, _set_names(body, known)).of(body)


def _safe_in(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the comprehensions whose order nobody sees: they end in a set, a sum of truths ..."""
    if isinstance(node, ast.Call) and ast.unparse(node.func).rsplit(".", 1)[-1] in SAFE:
        yield from (each for each in node.args if isinstance(each, ast.GeneratorExp | ast.ListComp))
        yield from (each for each in node.args if isinstance(each, ast.Starred))
    if isinstance(node, ast.SetComp):
        yield node
    if isinstance(node, ast.Set):  # {*these, *those} is a set again
        yield from node.elts


def _walked(node: ast.AST, safe: set[int]) -> Iterator[ast.expr]:
    """Yield what a node walks through, or spells, in its order."""
    match node:
        case ast.For() | ast.AsyncFor():
            yield node.iter
        case ast.ListComp() | ast.GeneratorExp() | ast.DictComp() | ast.SetComp():
            if id(node) not in safe:
                yield from (each.iter for each in node.generators)
        case ast.YieldFrom():
            yield node.value
        case ast.Starred():
            if id(node) not in safe:
                yield node.value
        case ast.FormattedValue():
            yield node.value
        case ast.Assign(targets=[ast.Tuple() | ast.List()]):
            yield node.value
        case ast.Call(func=ast.Attribute(attr="pop", value=owner), args=[]):
            yield owner
        case ast.Call(func=ast.Attribute(attr="join" | "extend" | "fromkeys")):
            yield from node.args[:1]
        case ast.Call(func=ast.Name(id=name)) if name in TAKERS:
            yield from node.args
