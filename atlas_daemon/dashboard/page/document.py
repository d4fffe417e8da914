"""The whole page: its head, the order of its sections, and one section alone."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from .equity import equity_section
from .holdings import performance_section, positions_section
from .markup import View, safe
from .outlook import alerts_section, outlook_section, tail_section
from .progress import orders_section, rebalances_section, run_section
from .standing import account_section, header_section, ramp_section, title_of, warnings_section

SECTIONS: Mapping[str, Callable[[View], str]] = MappingProxyType(
    {
        "header": header_section,
        "warnings": warnings_section,
        "account": account_section,
        "run": run_section,
        "chart": equity_section,
        "positions": positions_section,
        "orders": orders_section,
        "outlook": outlook_section,
        "performance": performance_section,
        "ramp": ramp_section,
        "alerts": alerts_section,
        "rebalances": rebalances_section,
        "tail": tail_section,
    }
)
"""Every section by its name, which is also its id on the page."""

_WORK = ("run", "chart", "positions", "orders", "rebalances")
_ASIDE = ("outlook", "performance", "ramp", "alerts")


def section_of(name: str, view: View) -> str:
    """Return one section whole, under the id `name`. Raises KeyError where there is none such."""
    return SECTIONS[name](view)


def page_of(view: View, made: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return the whole page of a status view.

    `equity`, `rebalances` and `tail` are the chronicle's, `deliveries` say how people are told;
    where one is missing, its section says so or is left out. `made` holds sections that were made
    before and still hold: `chart` costs most, and changes only with `equity`.
    """

    def all_of(*names: str) -> str:
        return "\n".join(made.get(name) or SECTIONS[name](view) for name in names)

    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{safe(title_of(view))}</title>"
        '<link rel="icon" href="data:,"><link rel="stylesheet" href="/page.css">'
        '<script src="/page.js" defer></script></head>'
        f'<body class="{safe(view["account"]["mode"] or "unknown")}">'
        '<a class="skip" href="#main">Skip to the figures</a>'
        f"<header>{all_of('header')}{_LIVE}</header>"
        f'<main id="main" tabindex="-1">{all_of("warnings", "account")}'
        f'<div class="columns"><div class="work">{all_of(*_WORK)}</div>'
        f'<div class="beside">{all_of(*_ASIDE)}</div></div>{all_of("tail")}</main>'
        f"{_footer(view)}</body></html>\n"
    )


_LIVE = (
    '<div class="link"><p id="live" role="status">'
    "<noscript>Without scripts this page stands still: it is as of the time above. "
    '<a href="">Load it anew</a></noscript></p>'
    '<p id="live-age"></p><p id="spoken" class="unseen" aria-live="polite"></p></div>'
)


def _footer(view: View) -> str:
    number = view["account"]["number"]
    said = [view["label"], f"account {number}" if number else "account number not yet known"]
    if (journal := view["daemon"]["journal"]) is not None:
        said.append(f"journal {journal['seq']}:{journal['hash'][:12]}")
    said.append("times are New York's")
    return f"<footer><p>{safe(' · '.join(said))}</p></footer>"
