"""The rules of the house, read off its own text. docs/architecture.md gives the reasons."""

import ast
import re

import pytest

from tests.house.source import PACKAGE, ROOT, Source, in_daemon, in_room, papers, sources

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70


# Size, names, plaques.


def test_a_file_fits_in_a_head() -> None:
    long = {s.name: len(s.text.splitlines()) for s in sources()}
    assert {name: lines for name, lines in long.items() if lines > FILE_LINES_MAX} == {}


def test_a_function_fits_a_screen() -> None:
    long = {
        f"{s.name}: {f.name}": lines
        for s in sources()
        for f in s.functions()
        if (lines := (f.end_lineno or 0) - f.lineno + 1) > FUNCTION_LINES_MAX
    }
    assert long == {}


def test_every_file_says_at_its_door_what_lives_there() -> None:
    assert [s.name for s in sources() if not ast.get_docstring(s.tree)] == []


def test_a_room_is_named_for_who_does_the_work() -> None:
    vague = {"utils", "util", "helpers", "helper", "manager", "base", "common", "misc"}
    parts = {(s.name, part) for s in sources() for part in s.name.removesuffix(".py").split("/")}
    assert [name for name, part in parts if vague & set(part.split("_"))] == []


def test_every_room_has_its_tests() -> None:
    rooms = {
        path.parent.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("__init__.py")
        if path.parent not in (PACKAGE, PACKAGE / "core" / "events")  # events are records only
    }
    untested = {room for room in rooms if not list((ROOT / "tests" / room).glob("test_*.py"))}
    assert untested == set()


def test_nothing_is_left_to_be_done_in_a_comment() -> None:
    mark = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    assert [s.name for s in sources() if mark.search(s.text)] == []
    assert [p.name for p in papers() if mark.search(p.read_text("utf-8"))] == []


# The core: pure, and the standard library's values only.

CORE_MAY_IMPORT = {
    "bisect",
    "collections",
    "collections.abc",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "itertools",
    "math",
    "operator",
    "re",
    "types",
    "typing",
    "zoneinfo",
}
CORE = in_room("core")


def test_the_core_imports_the_standard_librarys_values_only() -> None:
    foreign = {
        f"{s.name}: {module}"
        for s in CORE
        for module in s.imports()
        if module not in CORE_MAY_IMPORT and not module.startswith("atlas_daemon.core")
    }
    assert foreign == set()


def test_the_core_waits_for_nothing_and_keeps_nothing() -> None:
    impure = (
        ast.AsyncFunctionDef,
        ast.AsyncFor,
        ast.AsyncWith,
        ast.Await,
        ast.Global,
        ast.Nonlocal,
    )
    found = {
        f"{s.name}:{n.lineno}" for s in CORE for n in ast.walk(s.tree) if isinstance(n, impure)
    }
    assert found == set()


def test_the_core_knows_no_clock_chance_disk_or_screen() -> None:
    calls = {"open", "print", "input", "eval", "exec", "__import__", "id", "hash"}
    moments = re.compile(r"(^|\.)(now|utcnow|today|fromtimestamp|urandom)$")
    found = {
        f"{s.name}:{call.lineno}: {words}()"
        for s in CORE
        for words, call in s.calls()
        if words in calls or moments.search(words)
    }
    assert found == set()


def test_money_in_the_core_is_never_a_float() -> None:
    assert {s.name for s in CORE for words, _ in s.calls() if words == "float"} == set()
    literals = {
        s.name
        for s in CORE
        for node in ast.walk(s.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, float)
    }
    # OrderValidator's documented defaults are floats, taken in by Decimal(str(x)).
    assert literals == {"core/order_validator.py"}


# Who may.


def test_only_the_validator_says_yes() -> None:
    builders = {s.name for s in sources() for words, _ in s.calls() if _last(words) == "Approved"}
    assert builders == {"core/validator.py"}


def test_only_the_outlet_submits() -> None:
    """The edge defines the requests, and closes a position by its own; nobody else sends one."""
    submits = re.compile(r"\bsubmit_(\w+_)?order$|\bclose_position$")
    callers = {s.name for s in in_daemon() for words, _ in s.calls() if submits.search(words)}
    assert callers == {"edges/alpaca/client.py", "outlet.py"}


def test_only_the_outlet_cancels() -> None:
    cancels = re.compile(r"\bcancel_(all_orders|order)$")
    callers = {s.name for s in in_daemon() for words, _ in s.calls() if cancels.search(words)}
    assert callers <= {"outlet.py", "cli/panic.py", "edges/alpaca/pinned.py"}


def test_the_broker_is_never_asked_to_close_or_replace_by_itself() -> None:
    """Such orders would carry no id of ours: DELETE /positions and PATCH /orders."""
    text = "".join(source.text for source in in_room("edges"))
    verbs = {"PATCH": "orders", "DELETE": "positions"}
    for verb, noun in verbs.items():
        assert re.findall(rf"[\"']{verb}[\"'],\s*f?[\"'][^\"']*{noun}", text) == []


def test_only_evolve_makes_a_new_state() -> None:
    """The engine takes the number of an unwritten turn back; a view looks at a later moment."""
    evolve = re.compile(r"core/evolve(\w*|/\w+)\.py$")
    makers = {
        s.name
        for s in sources()
        for words, call in s.calls()
        if _last(words) == "replace" and call.args and _is_state(call.args[0])
    }
    others = {name for name in makers if not evolve.search(name)}
    assert others <= {"core/engine.py", "core/views.py"}


def _is_state(node: ast.expr) -> bool:
    return ast.unparse(node) in {"state", "before", "turn.state", "self.state", "self._state"}


def _last(words: str) -> str:
    return words.rsplit(".", 1)[-1]


# Words.

IRREGULAR = {"Found", "Seen", "Unread", "Withheld", "Written"}


def test_an_event_is_a_fact() -> None:
    names = [name for s in CORE for name in s.subclasses("Event")]
    words = {name: re.findall(r"[A-Z][a-z]+", name)[-1] for name in names}
    assert len(names) > 50
    not_past = [n for n, word in words.items() if not word.endswith("ed") and word not in IRREGULAR]
    assert not_past == []


def test_an_effect_is_an_order_to_the_world() -> None:
    verbs = {"Cancel", "Compute", "Fetch", "Remove", "Reopen", "Send", "Stop", "Submit", "Suspend"}
    verbs |= {"Keep", "Refresh", "Run", "Write"}
    (effects,) = [s for s in CORE if s.name == "core/effects.py"]
    names = list(effects.subclasses("Effect"))
    assert len(names) > 8
    assert [n for n in names if re.findall(r"[A-Z][a-z]+", n)[0] not in verbs] == []


HANDLERS = (
    *("forecaster", "halter", "housekeeper", "planner", "reconciler", "scheduler"),
    *("submitter", "timekeeper", "tracker", "validator"),
)


def test_every_handler_stands_on_the_map() -> None:
    (routes,) = [s for s in CORE if s.name == "core/routes.py"]
    mapped = set(re.findall(r"\b(\w+\.on_\w+)", routes.text))
    rooms = {name: s for s in CORE for name in HANDLERS if s.name == f"core/{name}.py"}
    written = {
        f"{room}.{f.name}"
        for room, s in rooms.items()
        for f in s.functions()
        if f.name[:3] == "on_"
    }
    assert set(rooms) == set(HANDLERS)
    assert written - mapped == set()
    assert {name for name in mapped - written if name.split(".")[0] in HANDLERS} == set()


# Time, chance, threads: each in the places made for it, and nowhere else.

CLOCKS_ALLOWED = {
    "bars/store.py": "another process's lock is waited for",
    "bars/wire.py": "the SDK blocks: it runs in a thread of the child, within a deadline",
    "edges/alpaca/client.py": "the rate limit's reset is wall time; a simulation passes its own",
    "edges/alpaca/transport.py": "the same",
    "edges/clock.py": "the clock",
    "edges/alpaca/stream.py": "jitter of the reconnection; a simulation passes its own",
    "journal/journal.py": "a default for tools; the daemon passes its clock",
    "late_stop.py": "the latch of a stop that found no daemon, and so no clock",
    "records/execution_logger.py": "a default for tools; the daemon passes its clock",
    "worker.py": "the child, where the question carries no moment",
}
DOUBTFUL_MODULES = {
    "concurrent.futures",
    "multiprocessing",
    "random",
    "sched",
    "secrets",
    "threading",
    "time",
    "uuid",
}


def test_clocks_chance_and_threads_live_where_they_were_given_a_place() -> None:
    # A command is a person's, at a person's time, and so are the processes of its drills: their own
    # clock is the right one.
    rooms = ("cli", "drillmaster")
    found = {s.name for s in in_daemon() if s.room not in rooms and _reads_a_clock(s)}
    assert found - CLOCKS_ALLOWED.keys() == set()
    assert CLOCKS_ALLOWED.keys() - found == set(), "no longer needed: take it off the list"


def _reads_a_clock(source: Source) -> bool:
    if DOUBTFUL_MODULES & set(source.imports()):
        return True
    calls = re.compile(r"(^|\.)(datetime\.now|date\.today|to_thread|run_in_executor)$")
    return any(calls.search(words) for words, _ in source.calls())


def test_every_moment_is_aware() -> None:
    naive = {
        f"{s.name}:{call.lineno}"
        for s in sources()
        for words, call in s.calls()
        if re.search(r"(^|\.)(utcnow|utcfromtimestamp|date\.today|datetime\.today)$", words)
        or (
            re.search(r"(^|\.)datetime\.(now|fromtimestamp)$", words)
            and not (len(call.args) > (words.endswith("fromtimestamp")) or call.keywords)
        )
    }
    assert naive == set()


def test_nothing_prints_but_commands_and_the_log() -> None:
    assert {s.name for s in sources() for w, _ in s.calls() if w == "print"} == set()


def test_errors_are_never_caught_blindly() -> None:
    blind = {
        f"{s.name}:{node.lineno}"
        for s in sources()
        for node in ast.walk(s.tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})
        and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
    }
    assert blind == set()


# The project speaks of itself alone.

HOSTS_NAMED = re.compile(
    r"https?://(host|127\.0\.0\.1|localhost|\[::1\]|[\w-]+(\.[\w-]+)*\.(alpaca\.markets|example)"
    r"|ntfy\.sh|keepachangelog\.com|semver\.org|www\.freedesktop\.org)(?=[:/\s\"'`)\]>,;\[]|$)"
)


def _texts() -> list[tuple[str, str]]:
    package = [(s.name, s.text) for s in sources()]
    return package + [(p.relative_to(ROOT).as_posix(), p.read_text("utf-8")) for p in papers()]


def test_no_path_of_one_machine_is_named() -> None:
    """Only the places of an installed system: /opt/atlas, /etc/atlas, /var, /run, /usr, /proc."""
    homes = re.compile(r"(?<![\w.~}])/(work|home|root|Users|tmp|mnt)/\w")
    assert [name for name, text in _texts() if homes.search(text)] == []


def test_the_data_beside_a_checkout_is_known_to_tests_and_figures_only() -> None:
    assert [name for name, text in _texts() if re.search(r"\bshared/(data|facts|lab)", text)] == []


@pytest.mark.parametrize("scheme", ["https?", "wss?"])
def test_every_address_named_is_alpacas_or_an_example(scheme: str) -> None:
    named = re.compile(rf"\b{scheme}://(?!\[?{{)[A-Za-z0-9\[][^\s\"'`)>]*")
    strange = {
        f"{name}: {url}"
        for name, text in _texts()
        for url in named.findall(text)
        if not HOSTS_NAMED.match(re.sub("^ws", "http", url))
    }
    assert strange == set()
