"""The rules on the shape of the code, as functions from one source file to what it breaks.

`tests/test_architecture.py` applies them to the repository and shows that each one bites. An exception to
a rule is a name in a tuple at the top of this file, with its reason; there are no markers in the code.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

# Lowest first. A module imports from its own layer or a lower one; the longest prefix wins.
LAYERS = (
    ("venues.base",),
    ("venues.kit", "venues.sim"),
    ("venues",),
    ("registry",),
    ("router.core",),
    ("router.config", "router.runtime", "router.sections"),
    ("router.service",),
    ("router.http", "router.console"),
    ("router.assembly",),
    ("router.cli",),
    ("router.main",),
)
PRODUCT = ("venues", "registry", "router")
PURE = ("venues", "registry", "router.core")
SHELLS = ("venues.sim.server",)
"""The only I/O below `router.runtime`: it serves any venue's simulator over HTTP and WebSocket."""
IO = frozenset({
    "aiohttp", "anyio", "asyncio", "concurrent", "http", "httpx", "io", "multiprocessing", "pathlib", "queue",
    "requests", "selectors", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile",
    "threading", "urllib.request", "uvloop", "websockets",
})  # fmt: skip
AMBIENT = frozenset({
    "datetime", "logging", "os", "platform", "random", "secrets", "structlog", "sys", "time", "uuid",
})  # fmt: skip
IO_CALLS = frozenset({"open", "input", "breakpoint", "exec", "eval"})
UPWARD = (("venues.base.contract", "venues.sim.contract"),)
"""The card names the type of its simulator; for the type checker only."""
DISCOVERERS = ("router.main", "router.cli")
"""Who may look for venues; everybody else is given them."""
PRINTERS = ("router.cli", "benchmarks", "conformance", "tests")
CATCH_ALLS: tuple[str, ...] = ("router.http.app",)
"""The edge of the program: a caller gets a 500 with a request id, whatever went wrong."""
SIM_MAY_NOT = frozenset({"orders", "signer", "feed", "fees"})
"""A simulator that shared code with these could be wrong together with them."""
NOT_VENUES = frozenset({"base", "kit", "sim"})
TRIALS = re.compile(r"venues/[^/]+/conformance/")
"""Scripts that run a venue's own client in the client's own environment: no part of the product."""

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
POSITIONAL_MAX = 4
VENUE_LINES_MAX = 1_500
"""Lines of code of a venue's dialect, and again of its simulator; blanks, comments, docstrings are free."""
IDENTIFIERS_MAX = 50_000
"""More than there are in all files."""
KEYWORD_CALLED = ("router.cli.app", "router.cli.keys", "router.cli.vault", "router.cli.wallet")
"""Typer calls the commands by keyword; their parameters are the options."""
RUNTIME_ANY = frozenset({"Coroutine", "Task", "Generator"})
"""What a coroutine yields to the event loop has no better type."""

Broken = Iterator[tuple[int, str]]


@dataclass(frozen=True)
class Source:
    """One Python file: its path from the root of the repository, its text, and the venues there are."""

    path: str
    text: str
    venues: frozenset[str]

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed file."""
        return ast.parse(self.text, self.path)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree."""
        return list(ast.walk(self.tree))

    @cached_property
    def module(self) -> str:
        """Its dotted name."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def package(self) -> str:
        """What a relative import starts from."""
        return self.module if self.path.endswith("/__init__.py") else self.module.rpartition(".")[0]

    @property
    def home(self) -> str | None:
        """The venue whose folder this is: under `venues/` or under `tests/venues/`."""
        parts = self.module.removeprefix("tests.").split(".")
        return parts[1] if parts[0] == "venues" and len(parts) > 1 and parts[1] in self.venues else None

    @property
    def trial(self) -> bool:
        """Whether it is a script for a venue's own client."""
        return TRIALS.match(self.path) is not None

    @property
    def pure(self) -> bool:
        """Whether time, luck and I/O must come in as arguments."""
        return not self.trial and within(self.module, *PURE) and not within(self.module, *SHELLS)

    @cached_property
    def imports(self) -> list[tuple[int, str]]:
        """Line and dotted name of everything imported, wherever in the file."""
        found: list[tuple[int, str]] = []
        for node in self.nodes:
            if isinstance(node, ast.Import):
                found += [(node.lineno, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    above = self.package.split(".")[: len(self.package.split(".")) - node.level + 1]
                    base = ".".join([*above, *filter(None, [node.module])])
                found += [(node.lineno, f"{base}.{alias.name}") for alias in node.names]
        return found


def within(name: str, *prefixes: str) -> bool:
    """Whether a dotted name is one of these modules or inside one."""
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def layer(name: str) -> int | None:
    """How high a module lies; None when no layer holds it."""
    ranks = [(len(p), rank) for rank, prefixes in enumerate(LAYERS) for p in prefixes if within(name, p)]
    return max(ranks)[1] if ranks else None


def _layers(source: Source) -> Broken:
    if source.trial:
        for line, name in source.imports:
            if within(name, *PRODUCT, "tests", "benchmarks", "conformance"):
                yield line, f"a client is judged without our code: {name}"
        return
    own = layer(source.module)
    if within(source.module, *PRODUCT) and own is None and source.module != "router":
        yield 1, f"belongs to no layer: {source.module}"
    for line, name in source.imports:
        other = layer(name)
        allowed = any(source.module == low and within(name, high) for low, high in UPWARD)
        if own is not None and other is not None and other > own and not allowed:
            yield line, f"imports upward: {name}"
        if own is not None and within(name, "tests", "benchmarks", "conformance"):
            yield line, f"the product does not import its tests: {name}"
        if name == "venues.discover" and own is not None and not within(source.module, *DISCOVERERS):
            yield line, "only main and cli discover venues; everybody else is given them"


def _purity(source: Source) -> Broken:
    if not source.pure:
        return
    for line, name in source.imports:
        if name == "random.Random" and within(source.module, "venues") and ".sim" in source.module:
            continue  # a simulation has a seed; `Random()` without one is caught below
        if name.split(".")[0] in IO | AMBIENT or within(name, *IO):
            yield line, f"pure code takes I/O, time and luck as arguments: {name}"
    for node in source.nodes:
        if isinstance(node, ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await):
            yield node.lineno, "pure code is never async"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IO_CALLS:
            yield node.lineno, f"pure code does not call {node.func.id}()"
        if isinstance(node, ast.Call) and ast.unparse(node) == "Random()":
            yield node.lineno, "luck comes from a seed"


def _money(source: Source) -> Broken:
    if not source.pure:
        return
    for node in source.nodes:
        match node:
            case ast.Constant(value=float() | complex()):
                yield node.lineno, f"money is never a float: {node.value!r}"
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                yield node.lineno, "money is divided with a stated rounding (//, up, down), never with /"
            case ast.Name(id="float"):
                yield node.lineno, "money is never a float: float"
            case _:
                pass


def _venue_names(source: Source) -> Broken:
    strangers = source.venues - {source.home}
    if within(source.module, "benchmarks") or not strangers:
        return
    # A venue's own name may begin with another's, as may its addresses and classes.
    spoken = frozenset(name for name in strangers if not f"{source.home}_".startswith(f"{name}_"))
    word = re.compile(rf"(?<![a-z0-9_])({'|'.join(sorted(spoken)) or '(?!)'})(?![a-z0-9_])", re.IGNORECASE)
    for node in source.nodes:
        match node:
            case ast.Constant(value=str(text)) if word.search(text) and not re.search(r"\s", text):
                yield node.lineno, f"names a venue outside its folder: {text!r}"
            case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name):
                if _names_one(name, spoken):
                    yield node.lineno, f"names a venue outside its folder: {name}"
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                if _names_one(name, spoken):
                    yield node.lineno, f"names a venue outside its folder: {name}"
            case _:
                pass
    for line, name in source.imports:
        if within(name, *(f"venues.{stranger}" for stranger in strangers)):
            rule = "venues never import each other" if source.home else "imports a venue by name"
            yield line, f"{rule}: {name}"


def _names_one(identifier: str, venues: frozenset[str | None] | frozenset[str]) -> bool:
    snake = _snake(identifier)
    return any(f"_{venue}_" in snake for venue in venues)


@lru_cache(IDENTIFIERS_MAX)
def _snake(identifier: str) -> str:
    """AcmeBook as _acme_book_."""
    return f"_{re.sub(r'(?<=[a-z0-9])(?=[A-Z])', '_', identifier).lower()}_"


def _simulator(source: Source) -> Broken:
    parts = source.module.split(".")
    if parts[0] != "venues" or source.home is None or len(parts) < 3 or not parts[2].startswith("sim"):
        return
    for line, name in source.imports:
        inside = name.removeprefix(f"venues.{source.home}").split(".")
        if name.startswith(f"venues.{source.home}.") and inside[1] in SIM_MAY_NOT:
            yield line, f"a simulator shares no code with what it judges: {name}"


def _sizes(source: Source) -> Broken:
    if not within(source.module, *PRODUCT, "benchmarks"):
        return
    lines = source.text.count("\n")
    if lines > MODULE_LINES_MAX:
        yield 1, f"module has {lines} lines, at most {MODULE_LINES_MAX}"
    for node in source.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                yield node.lineno, f"{node.name} has {length} lines, at most {FUNCTION_LINES_MAX}"
            names = [a.arg for a in (*node.args.posonlyargs, *node.args.args) if a.arg not in ("self", "cls")]
            if len(names) > POSITIONAL_MAX and source.module not in KEYWORD_CALLED:
                yield node.lineno, f"{node.name} takes {len(names)} positional parameters, at most 4"


def _habits(source: Source) -> Broken:
    if source.tree.body and ast.get_docstring(source.tree) is None:
        yield 1, "a module says in its docstring what it is for"
    for node in source.nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            if not within(source.module, *PRINTERS):
                yield node.lineno, "only the command line prints"
        elif isinstance(node, ast.ExceptHandler):
            caught = (
                [] if node.type is None else [n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)]
            )
            broad = node.type is None or {"Exception", "BaseException"} & set(caught)
            if broad and not within(source.module, *CATCH_ALLS):
                yield node.lineno, "no broad except: name what can fail"


def _anything(source: Source) -> Broken:
    if not within(source.module, *PRODUCT) or ".sim" in source.module or source.trial:
        return
    excused = {
        name
        for node in source.nodes
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).split(".")[-1] in RUNTIME_ANY
        for name in ast.walk(node.slice)
    }
    for node in source.nodes:
        if isinstance(node, ast.Name) and node.id == "Any" and node not in excused:
            yield node.lineno, "Any is for the JSON of simulators only"


def _comments(source: Source) -> Broken:
    for number, line in enumerate(source.text.splitlines(), 1):
        if "type: ignore" in line and not re.search(r"# type: ignore\[[a-z, -]+\]  # \S", line):
            yield number, "a type: ignore names its code and then, as a comment, its reason"
        if re.search(r"#.*\b(TODO|FIXME|XXX)\b", line):
            yield number, "no notes to self in the code: open an issue"


RULES: tuple[Callable[[Source], Broken], ...] = (
    _layers,
    _purity,
    _money,
    _venue_names,
    _simulator,
    _sizes,
    _habits,
    _anything,
    _comments,
)


def broken_rules(source: Source) -> list[str]:
    """Everything this file breaks, as `file:line rule`, in the order of the lines."""
    found = sorted({problem for rule in RULES for problem in rule(source)})
    return [f"{source.path}:{line} {rule}" for line, rule in found]


def code_lines(source: Source) -> int:
    """Lines that hold code: not blank, not comment, not docstring."""
    numbered = enumerate(map(str.strip, source.text.splitlines()), 1)
    lines = {number for number, line in numbered if line and not line.startswith("#")}
    for node in source.nodes:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def oversized_venues(sources: Iterable[Source]) -> list[str]:
    """Venues that have outgrown their budget: what two venues share belongs in `venues/kit`."""
    lines: dict[tuple[str, str], int] = {}
    for source in sources:
        if source.home and source.path.startswith("venues/") and not source.trial:
            part = "simulator" if ".sim" in source.module else "dialect"
            lines[source.home, part] = lines.get((source.home, part), 0) + code_lines(source)
    return [
        f"venues/{venue}:1 {part} has {total} lines of code, at most {VENUE_LINES_MAX}"
        for (venue, part), total in sorted(lines.items())
        if total > VENUE_LINES_MAX
    ]
