"""The project's own text, read and never imported: files, trees, what they call and name."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "atlas_daemon"


@dataclass(frozen=True)
class Source:
    """One file of the package. `name` is its path in the package: core/engine.py."""

    name: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The package's folder it stands in; empty for the files at its top."""
        return self.name.split("/")[0] if "/" in self.name else ""

    def calls(self) -> Iterator[tuple[str, ast.Call]]:
        """Every call with the words of what is called: `datetime.now`, `self._client.get_clock`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield ast.unparse(node.func), node

    def imports(self) -> Iterator[str]:
        """Every module imported absolutely, also inside functions."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                yield node.module

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Every function, however deep."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node

    def subclasses(self, base: str) -> Iterator[str]:
        """Names of the classes that name `base` as their base."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ClassDef) and base in map(ast.unparse, node.bases):
                yield node.name


@cache
def sources() -> tuple[Source, ...]:
    """Every file of the package."""
    return tuple(
        Source(path.relative_to(PACKAGE).as_posix(), text, ast.parse(text))
        for path in sorted(PACKAGE.rglob("*.py"))
        for text in (path.read_text(encoding="utf-8"),)
    )


def in_room(*rooms: str) -> tuple[Source, ...]:
    """The files of these rooms."""
    return tuple(source for source in sources() if source.room in rooms)


def in_daemon() -> tuple[Source, ...]:
    """The files of the daemon and its commands: all but the local broker."""
    return tuple(source for source in sources() if source.room != "paper")


def papers() -> tuple[Path, ...]:
    """What people read: the papers and the files they copy."""
    top = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*")]
    return tuple(
        path for path in (*top, ROOT / "Makefile", ROOT / "atlas.service") if path.is_file()
    )
