"""What the page says: what is known, that something is not, and nobody else's words as its own."""

from functools import cache
from unicodedata import category

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atlas_daemon.dashboard.page import SECTIONS, page_of, section_of
from atlas_daemon.dashboard.page.markup import TEXT_MAX, safe
from tests.dashboard.page.lived import scenes
from tests.dashboard.page.reading import Reading

NAMES = ("first", "quiet", "amid", "halted")


def a_view(name="quiet", **more):
    return scenes()[name].view(**more)


def live_view(**ramp):
    view = a_view(label="[LIVE]", ramp=a_ramp(**ramp))
    view["account"]["mode"] = "live"
    return view


def a_ramp(**more):
    certificate = {"id": "c-7f3a", "expires_at": "2026-07-02T00:00:00Z", "problem": ""}
    return {
        "scale": "0.25",
        "since": "2026-01-05",
        "clean_days": 18,
        "clean_days_needed": 30,
        "certificate": certificate,
    } | more


def said(name, view):
    return Reading(section_of(name, view)).text


def an_order(**more):
    order = dict.fromkeys(("broker_id", "limit_price", "filled_avg_price", "reason"), "")
    order |= {"id": "atlas-2026-02-r1-buy-AAPL-1", "run": "2026-02", "symbol": "AAPL"}
    order |= {"side": "buy", "qty": "51", "expected_price": "204.9", "filled_qty": "17"}
    order |= {"status": "unknown", "is_open": True, "is_in_doubt": True, "age_s": 75}
    return order | {"evidence": "sent 1 time"} | more


# The whole.


@pytest.mark.parametrize("name", NAMES)
def test_a_section_asked_for_alone_is_the_one_on_the_page(name):
    view = a_view(name)
    page = page_of(view)
    for each in SECTIONS:
        assert page.count(section_of(each, view)) == 1
        assert f'id="{each}"' in section_of(each, view)


@pytest.mark.parametrize("name", NAMES)
def test_the_page_is_whole_and_has_no_style_or_script_of_its_own(name):
    page = Reading(page_of(a_view(name)))
    ids = list(page.having("id"))
    assert len(ids) == len(set(ids))
    assert {*page.having("aria-labelledby")} <= set(ids)
    attributes = {name for _, found in page.tags for name in found}
    assert "style" not in attributes
    assert not [name for name in attributes if name.startswith("on")]
    scripts = [found for tag, found in page.tags if tag == "script"]
    assert scripts == [{"src": "/page.js", "defer": ""}]


def test_a_section_that_was_made_before_is_taken_as_it_is():
    assert '<section id="chart">kept</section>' in page_of(
        {**a_view(), "equity": None}, {"chart": '<section id="chart">kept</section>'}
    )


def test_without_a_chronicle_the_page_still_stands_and_says_what_it_lacks():
    view = a_view("amid")
    for name in ("equity", "rebalances", "tail", "deliveries"):
        del view[name]
    text = Reading(page_of(view)).text
    assert "No day's equity is on record yet" in text
    assert "The journal's last entries are not at hand." in text
    assert "Rebalance 2026-02" in text
    assert "17 / 51" in text


def test_there_is_no_section_of_another_name():
    with pytest.raises(KeyError):
        section_of("nowhere", a_view())


# Whose money, and is it well.


@pytest.mark.parametrize(
    ("label", "mode", "words"),
    [
        ("[LIVE]", "live", "real money"),
        ("[PAPER]", "paper", "paper money"),
        ("[LOCAL]", "local", "a broker on this machine"),
        ("[UNKNOWN]", None, "nobody knows yet whose money"),
    ],
)
def test_the_header_says_whose_money_it_is(label, mode, words):
    view = a_view(label=label)
    view["account"]["mode"] = mode
    page = page_of(view)
    assert f"<strong>{label}</strong> <span>{words}</span>" in page
    assert f"<title>{label} LARGE trading - ATLAS</title>" in page
    kind = mode or "unknown"
    assert f'<div id="header" class="{kind}"' in page and f'<body class="{kind}">' in page


def test_the_header_tells_ages_and_why_no_order_may_be_sent():
    assert "Reconciled 1s ago Figures 1s old" in said("header", a_view("amid"))
    first = said("header", a_view("first"))
    assert "LARGE starting not yet reconciled" in first and "Ready no: see above" in first
    assert "Reconciled not yet Figures unknown" in first
    view = a_view()
    view["daemon"]["why_not_ready"] = "calendars differ: 27 Nov"
    assert "Ready no: calendars differ: 27 Nov" in said("header", view)


def test_a_stop_stands_above_everything_else():
    view = a_view("halted")
    assert "HALTED by ann: the prices look wrong" in said("warnings", view)
    assert "NOT COMPLETE, 4 open orders" in said("warnings", view)
    assert "LARGE HALTED" in said("header", view)


def test_a_journal_that_cannot_be_written_is_said():
    view = a_view()
    view["daemon"]["fault"] = "no space left on device"
    assert "The journal cannot be written: no space left" in said("warnings", view)


def test_where_nothing_is_wrong_there_is_no_warning():
    assert section_of("warnings", a_view()) == '<section id="warnings" hidden></section>'


# What is unknown says so.


def test_a_first_start_invents_nothing():
    text = Reading(page_of(a_view("first"))).text
    for what in (
        "Equity unknown",
        "Cash unknown buying power unknown",
        "Regime unknown none was heard yet",
        "Positions unknown: the broker has not been heard yet.",
        "Performance n/a: no rebalance yet",
        "The doctor has not looked yet.",
        "account number not yet known",
    ):
        assert what in text
    assert "$0" not in text


def test_a_price_nobody_knows_is_no_zero():
    view = a_view()
    view["positions"] = [view["positions"][0] | dict.fromkeys(_PRICED)]
    assert said("positions", view).count("unknown") == 4


_PRICED = ("price", "value", "gain", "gain_pct", "portfolio_pct")


def test_positions_stand_with_the_heaviest_first_and_a_frozen_one_says_so():
    view = a_view()
    view["positions"][0]["frozen"] = "the broker has 3 more"
    text = said("positions", view)
    weights = [each["portfolio_pct"] for each in view["positions"]]
    assert weights != sorted(weights, reverse=True)
    places = [text.index(f" {each['symbol']} ") for each in view["positions"]]
    heaviest = max(view["positions"], key=lambda each: float(each["value"]))
    assert min(places) == text.index(f" {heaviest['symbol']} ")
    assert f"{view['positions'][0]['symbol']} frozen" in text


# A rebalance on its way.


def test_the_timeline_shows_what_was_what_is_and_what_is_to_come():
    section = section_of("run", a_view("amid"))
    assert section.count('aria-current="step"') == 1
    text = Reading(section).text
    assert "Rebalance 2026-02" in text
    for words in ("due 09:35:01", "selling 09:35:01", "buying 09:35:03", "reconciling to come"):
        assert words in text
    assert text.index("buying 09:35:03") < text.index("reconciling to come") < text.index("done to")


def test_every_order_has_its_bar_its_price_and_its_steps():
    view = a_view("amid")
    (run,) = (each for each in view["rebalances"] if each["run"] == "2026-02")
    section = section_of("run", view)
    assert "4 of 8 orders filled, 4 working" in section
    half = next(each for each in run["orders"] if each["symbol"] == "AAPL")
    width = 100 * float(half["filled_qty"]) / float(half["qty"])
    assert f'<rect class="part" width="{width:.1f}"' in section
    assert f"{half['filled_qty']} / {half['qty']}" in section
    for order in run["orders"]:
        assert f'id="steps-{order["id"]}"' in section
    assert "partially filled" in section


def test_the_newest_steps_come_first():
    text = said("run", a_view("amid"))
    latest = text[text.index("Latest steps") :].split("The plan")[0]
    times = [word for word in latest.split() if word.count(":") == 2]
    assert len(times) == 8
    assert times == sorted(times, reverse=True)


def test_a_parked_run_says_since_when():
    assert "parked 09:35:04" in said("run", a_view("halted"))


def test_a_cost_is_positive_on_both_sides():
    view = a_view("amid")
    (run,) = (each for each in view["rebalances"] if each["run"] == "2026-02")
    run["orders"] = [
        run["orders"][0]
        | {"side": side, "filled_qty": "1", "avg_price": price, "expected_price": "100"}
        for side, price in (("buy", "100.10"), ("sell", "99.80"), ("sell", "100.30"))
    ]
    text = said("run", view)
    for words in ("at $100.10, +10 bps", "at $99.80, +20 bps", "at $100.30, -30 bps"):
        assert words in text


def test_an_order_in_doubt_stands_first_with_its_age_and_what_is_known():
    view = a_view(orders=[an_order(status="working", is_in_doubt=False, evidence=""), an_order()])
    text = said("orders", view)
    assert "Open orders (2)" in text
    assert "1m 15s unknown (sent 1 time)" in text
    assert text.index("unknown (sent 1 time)") < text.index("working")
    assert "buy AAPL: nobody knows what became of it (sent 1 time)" in said("warnings", view)


def test_the_last_rebalance_and_those_before_are_told():
    text = said("rebalances", a_view())
    assert "Run 2025-08" in text and "8 (8 filled, 0 rejected)" in text
    assert text.index("8 orders of 2025-08") < text.index("2025-02 Feb 3, 2025 done 11 / 11")
    assert "2026-02 Feb 2" not in said("rebalances", a_view("halted"))  # it is not over


# What comes, and what was told.


def test_the_next_slot_has_its_anchor_and_its_real_session():
    text = said("outlook", a_view())
    assert "Anchor Feb 1, 2026 Session Feb 2, 2026 Due 2026-02-02 09:35:00 ET" in text
    assert "Mon, Feb 2, 2026 in 3 days, slot 2026-02" in said("account", a_view())


def test_what_the_doctor_found_is_told_with_its_age_and_advice():
    text = said("outlook", a_view())
    assert "nothing red, 1 warning; looked 22h 59m ago" in text
    assert "warn disk 4.1 GB left make room" in text


def test_alerts_that_wait_are_told_with_their_way():
    waiting = {"channel": "webhook", "waiting": 2, "why": "", "waiting_since": None}
    text = said("alerts", a_view(deliveries=[waiting]))
    assert "Not delivered webhook: 2 wait" in text
    waiting |= {"why": "HTTP 404", "waiting_since": "2026-01-30T23:00:00Z"}
    text = said("alerts", a_view(deliveries=[waiting]))
    assert "webhook: 2 wait since 2026-01-30 18:00:00 ET: HTTP 404" in text


def test_the_tail_is_the_journals_end_newest_first():
    view = a_view("amid")
    text = said("tail", view)
    assert "Audit: the last 50 entries" in text
    first, second = view["tail"][:2]
    assert text.index(f"{first['seq']} ") < text.index(f"{second['seq']} ")


def test_the_ramp_is_shown_for_real_money_only():
    assert section_of("ramp", a_view(ramp=None)) == '<section id="ramp" hidden></section>'
    text = said("ramp", live_view())
    assert "certificate valid Scale 25% Since Jan 5, 2026 Clean days 18 of 30" in text


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        (None, "no certificate was heard of"),
        ({"id": "", "expires_at": None, "problem": "forged: the seal"}, "forged: the seal"),
    ],
)
def test_a_certificate_that_does_not_hold_says_why(certificate, words):
    assert words in said("ramp", live_view(certificate=certificate))


# Nobody else's words are the page's own.

HOSTILE = (
    "</td><script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "\u202eSLLES\u202c LLA",
    "a\x00b\x1b[31mred\x7f",
    "\u2066\u2069\u200b\ufeff\u061c",
    "&lt;b&gt;",
    "\ud800",
    "<!--",
    "${7*7}{{7*7}}",
    "é " * 9000,
)


def poisoned(text):
    """A view in which everything that somebody else may say is `text`."""
    view = a_view("amid", equity=None)
    view["account"]["name"] = text
    view["daemon"] |= {"reason": text, "fault": text, "stream_detail": text, "failures": {text: 1}}
    view["halt"] = a_view("halted")["halt"] | {"by": text, "reason": text}
    view["frozen"] = {text: text}
    view["foreign"] = [{"side": text, "qty": "1", "symbol": text, "client_order_id": text}]
    view["deliveries"] = [
        {"channel": text, "why": text, "waiting": 1, "waiting_since": None},
    ]
    view["orders"] = [an_order(**dict.fromkeys(("symbol", "reason", "evidence", "id"), text))]
    view["alerts"] = [{"at": view["at"], "level": text, "key": text, "text": text}]
    view["positions"][0] |= {"symbol": text, "frozen": text}
    view["regime"] |= {"regime": text, "source": text}
    view["run"] |= {"id": "2026-02", "notes": [text]}
    for line in view["run"]["lines"][:1]:
        line |= {"symbol": text, "note": text, "state": text}
    (run,) = (each for each in view["rebalances"] if each["run"] == "2026-02")
    for order in run["orders"][:1]:
        order |= {"symbol": text, "side": text, "status": text}
        order["events"] = [{"at": view["at"], "what": text, "text": text}]
    view["tail"] = [{"seq": 1, "at": view["at"], "kind": text, "text": text}]
    view["examined"]["findings"] = [{"check": text, "level": text, "text": text, "advice": text}]
    view["last_run"] |= {"reason": text, "discrepancies": [text]}
    view["performance"] |= {"benchmark": text, "why_no_return": text, "doubt": text}
    return view


@cache
def a_harmless_shape():
    return Reading(page_of(poisoned("harmless"))).shape()


def is_harmless(text):
    page = page_of(poisoned(text))
    page.encode("utf-8")
    read = Reading(page)
    assert read.shape() == a_harmless_shape()
    seen = {char for part in read.texts for char in part if char not in "\n"}
    assert not [char for char in seen if category(char) in ("Cc", "Cf", "Cs")]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_came_from_outside_is_text_and_can_be_seen(text):
    is_harmless(text)


@given(st.text(min_size=1, max_size=40))
@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
def test_no_text_whatever_changes_the_pages_shape(text):
    is_harmless(text)


@given(st.text(st.characters(), max_size=900))
def test_a_safe_text_shows_every_character_and_ends(text):
    made = safe(text)
    assert not set(made) & set("<>\"'")
    assert all(category(char) not in ("Cc", "Cf", "Cs") for char in made)
    assert len(Reading(made).text) <= 10 * TEXT_MAX + 1
    if text.isascii() and text.isprintable() and len(text) <= TEXT_MAX:
        assert "".join(Reading(made).texts) == text


def test_the_direction_of_a_text_cannot_be_turned():
    assert safe("\u202eLLES") == "\\u202eLLES"
    assert safe("a\nb\tc\x1b") == "a b c\\x1b"
    assert safe("x" * 700) == "x" * TEXT_MAX + "…"


def test_the_days_shown_are_new_yorks():
    view = a_view(alerts=[{"at": "2026-01-31T02:30:00Z", "level": "info", "key": "k", "text": "t"}])
    assert "Jan 30, 21:30:00" in said("alerts", view)
