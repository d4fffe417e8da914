"""The page in a real Chromium: what a reader has before the eyes, at hand and read out.

The stand serves the page with the true server's headers, so that the content policy is in force.
"""

import time
from collections.abc import Iterator

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.dashboard.page import SECTIONS
from tests.dashboard.page.chromium import PATIENCE_MS, a_browser, a_window, not_here
from tests.dashboard.page.floor import FILLED, Floor
from tests.dashboard.page.lived import scenes
from tests.dashboard.page.stand import a_stand
from tests.dashboard.page.test_page import HOSTILE, a_view, live_view, poisoned

WIDE = (1280, 900)
ANSWER_POLLS = 25
"""Of 20 ms: so long a look's answers are waited for."""
PHONE = (390, 844)
NARROW = (320, 640)
SEEN = (
    ("first", "light", WIDE),
    ("quiet", "dark", PHONE),
    ("amid", "light", PHONE),
    ("amid", "dark", WIDE),
    ("halted", "light", WIDE),
    ("live", "dark", PHONE),
)


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with a_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def window(browser):
    with a_window(browser) as window:
        yield window


@pytest.fixture(scope="module")
def clockwork(browser):
    """A window whose time passes only when a test says so."""
    with a_window(browser, has_clock=True) as window:
        yield window


@pytest.fixture(scope="module")
def axe():
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        not_here("axe-playwright-python is not installed")
    return Axe()


def shown(name):
    """A scene with a few of whatever comes in many: each costs axe as much as the first."""
    view = live_view() if name == "live" else a_view(name)
    view["tail"], view["alerts"] = view["tail"][:4], view["alerts"][:3]
    view["positions"] = view["positions"] and view["positions"][:3]
    view["orders"] = view["orders"][:2]
    view["equity"]["points"] = view["equity"]["points"][-90:]
    for run in view["rebalances"]:
        kept = {order["status"]: order for order in run["orders"]}
        run["orders"] = [order | {"events": order["events"][:2]} for order in kept.values()]
    if view["run"] is not None:
        view["run"]["lines"] = view["run"]["lines"][:3]
    return view


def breadth(page):
    """How much wider than the window the page is."""
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


def violations(axe, page):
    found = axe.run(page).response["violations"]
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]


@pytest.mark.parametrize(("name", "scheme", "size"), SEEN)
def test_the_page_is_accessible_and_silent_and_no_wider_than_its_screen(
    window, axe, name, scheme, size
):
    """With all that can be opened opened."""
    view = shown(name)
    with (
        a_stand(view) as stand,
        window.at(stand.url, scheme=scheme, size=size) as page,
    ):
        assert page.title() == f"{view['label']} LARGE {_mode(name)} - ATLAS"
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert violations(axe, page) == []
        for screen in (WIDE, PHONE, NARROW):
            page.set_viewport_size({"width": screen[0], "height": screen[1]})
            assert breadth(page) <= 0


def _mode(name):
    return {"first": "starting", "halted": "HALTED"}.get(name, "trading")


def test_without_scripts_the_page_stands_as_it_is_and_says_so(browser):
    with (
        a_stand(a_view("amid")) as stand,
        a_window(browser, java_script_enabled=False) as window,
        window.at(stand.url) as page,
    ):
        text = page.inner_text("body")
        assert "this page stands still" in text
        assert "Rebalance 2026-02" in text
        page.click("noscript a")
        page.wait_for_load_state()
        assert stand.asked.count("/") == 2
        assert not [path for path in stand.asked if path.startswith(("/part", "/api"))]
        summary = page.locator("#plan > summary")
        summary.click()
        assert page.locator("#plan-scroll").is_visible()


def test_only_what_changed_is_replaced_and_the_reader_keeps_place_and_focus(window):
    with a_stand(a_view("amid")) as stand, window.at(stand.url) as page:
        _all_is_fetched(page)
        page.click("#plan > summary")
        page.click("#last-orders > summary")
        page.locator("#plan-scroll").focus()
        page.evaluate("document.querySelectorAll('main section').forEach(s => s.mine = 1)")
        stand.view = a_view("halted")
        stand.changed("run", "positions", "nothing of the kind")
        page.wait_for_selector("#run .phases >> text=parked")
        replaced = "Array.from(document.querySelectorAll('main section'))"
        replaced += ".filter(each => !each.mine).map(each => each.id)"
        assert page.evaluate(replaced) == ["run"]  # the positions are as they were
        assert page.evaluate("document.activeElement.id") == "plan-scroll"
        assert page.locator("#plan").get_attribute("open") is not None
        assert "trading" in page.inner_text("#header")


def test_a_stop_changes_title_and_header_and_is_read_out(window):
    with a_stand(a_view("amid")) as stand, window.at(stand.url) as page:
        stand.view = a_view("halted")
        stand.changed("header", "warnings")
        _until(page, lambda: page.title() == "[PAPER] LARGE HALTED - ATLAS")
        _until(page, lambda: "HALTED by ann" in page.locator("#spoken").text_content())
        assert page.locator("#spoken").get_attribute("aria-live") == "polite"


def test_an_account_that_turns_out_to_be_live_looks_so_at_once(window):
    with a_stand(a_view(label="[UNKNOWN]")) as stand, window.at(stand.url) as page:
        stand.view = live_view()
        stand.changed("header")
        page.wait_for_selector("body.live")
        colour = "getComputedStyle(document.querySelector('.ribbon')).backgroundColor"
        assert page.evaluate(colour) == "rgb(163, 18, 31)"
        assert page.inner_text(".ribbon") == "[LIVE] real money"


def test_a_page_that_is_cut_off_says_since_when_and_comes_back_by_itself(window):
    with a_stand(a_view("amid")) as stand:
        port = stand.server_port
        with window.at(stand.url) as page:
            stand.hang_up()
            stand.shutdown()
            stand.server_close()
            page.wait_for_selector("#live.off")
            said = page.inner_text("#live")
            assert said.startswith("Not live since ")
            assert said.split("since ")[1][:8].count(":") == 2
            assert "ago" in page.inner_text("#live-age")
            window.complaints.clear()  # the browser tells of every try that found nobody
            with a_stand(a_view("halted"), port):
                page.wait_for_selector("#live.on")
                _until(page, lambda: page.title() == "[PAPER] LARGE HALTED - ATLAS")
            window.complaints.clear()


def test_a_page_is_loaded_anew_once_where_the_daemon_comes_back_with_another(window):
    with a_stand(a_view("amid")) as stand, window.at(stand.url) as page:
        for loads in (1, 2):
            page.wait_for_selector("#live.on")
            _until(page, lambda loads=loads: stand.asked.count("/api/events") == loads)
            assert stand.asked.count("/") == 1
            stand.edition = ("one", "two")[loads - 1]
            stand.hang_up()
        _until(page, lambda: stand.asked.count("/") == 2)
        page.wait_for_selector("#live.on")
        stand.hang_up()
        _until(page, lambda: stand.asked.count("/api/events") == 5)
        assert stand.asked.count("/") == 2
        window.complaints.clear()  # the browser tells of each stream that was cut


def test_a_page_that_may_not_listen_looks_by_itself_until_it_may(clockwork):
    """The hundred and first page is refused the stream."""
    with a_stand(a_view("amid")) as stand:
        stand.is_full = True
        with clockwork.at(stand.url, state="off") as page:
            stand.view = a_view("halted")
            page.clock.run_for(15_000)
            _until(page, lambda: "HALTED" in page.title())
            assert page.locator("#live.off").is_visible()
            stand.is_full = False
            _looks_until(page, lambda: page.locator("#live.on").is_visible())
            clockwork.complaints.clear()  # the browser tells of every refusal


def test_a_page_whose_sections_fail_is_not_live_until_they_come_again(clockwork):
    with a_stand(a_view("amid")) as stand, clockwork.at(stand.url) as page:
        _until(page, lambda: len(_parts(stand)) == len(SECTIONS))
        stand.is_ill = True
        page.clock.run_for(15_000)
        page.wait_for_selector("#live.off")
        stand.is_ill = False
        _looks_until(page, lambda: page.locator("#live.on").is_visible())
        clockwork.complaints.clear()


def test_a_stream_that_died_in_silence_is_opened_anew(clockwork):
    with a_stand(a_view("quiet")) as stand, clockwork.at(stand.url) as page:
        _until(page, lambda: len(_parts(stand)) == len(SECTIONS))
        stand.view = a_view("halted")  # and nobody is told
        page.clock.run_for(15_000)
        _until(page, lambda: "HALTED" in page.title())
        assert stand.asked.count("/api/events") == 1
        _looks_until(page, lambda: stand.asked.count("/api/events") > 1)
        _looks_until(page, lambda: page.locator("#live.on").count())
        _looks_until(page, lambda: "HALTED by ann" in page.inner_text("#warnings"))


def test_ages_go_on_where_nothing_happens(clockwork):
    with a_stand(a_view()) as stand, clockwork.at(stand.url) as page:
        _until(page, lambda: len(_parts(stand)) == len(SECTIONS))
        stand.asked.clear()
        for look in range(1, 5):
            page.clock.run_for(15_000)
            _until(page, lambda look=look: _parts(stand).count("/part/header") == look)
        _until(page, lambda: len(_parts(stand)) == 7)
        assert sorted(_parts(stand)) == [
            *("/part/account", *["/part/header"] * 4, "/part/orders", "/part/outlook"),
        ]


def _parts(stand):
    return [path for path in stand.asked if path.startswith("/part/")]


def _all_is_fetched(page, again=0):
    """Wait for each section's first text (and some more), the page's style and its script."""
    count = len(SECTIONS) + 2 + again
    fetched = "performance.getEntriesByType('resource').filter(each => each.responseEnd).length"
    _until(page, lambda: page.evaluate(fetched) >= count)


def _looks_until(page, is_so):
    """Let the page's time pass, a look at a time, and its answers come in between.

    The page gives up an answer by its own time: looks that follow at once would end each of them.
    """
    ends_at = time.monotonic() + PATIENCE_MS / 1000
    while time.monotonic() < ends_at:
        page.clock.run_for(15_000)
        for _ in range(ANSWER_POLLS):
            if is_so():
                return
            page.wait_for_timeout(20)
    raise AssertionError("it did not come to be so")


def _until(page, is_so, every_ms=20):
    ends_at = time.monotonic() + PATIENCE_MS / 1000
    while time.monotonic() < ends_at:
        if is_so():
            return
        page.wait_for_timeout(every_ms)
    raise AssertionError("it did not come to be so")


def test_everything_can_be_reached_and_seen_with_the_keyboard(window):
    with a_stand(a_view("amid")) as stand, window.at(stand.url) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the figures"
        assert page.locator(".skip").bounding_box()["x"] >= 0  # it comes into sight
        wanted = page.evaluate(_REACHABLE)
        reached = []
        for _ in wanted:
            page.keyboard.press("Tab")
            name, outline = page.evaluate(_FOCUSED)
            reached.append(name)
            assert outline == "solid"
        assert reached == wanted
        assert len(wanted) > 10
        page.locator(".skip").focus()
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.locator("#plan > summary").focus()
        page.keyboard.press("Enter")
        assert page.locator("#plan-scroll").is_visible()


_NAME = "(each.id || each.parentElement.id)"
_REACHABLE = f"""Array.from(document.querySelectorAll('main summary, main [tabindex="0"]'))
    .filter(each => each.checkVisibility()).map(each => {_NAME})"""
_FOCUSED = f"""(() => {{ const each = document.activeElement;
    return [{_NAME}, getComputedStyle(each).outlineStyle]; }})()"""


def test_who_wants_no_motion_has_none(window):
    with (
        a_stand(a_view("amid")) as stand,
        window.at(stand.url, motion="reduce") as page,
    ):
        _all_is_fetched(page)
        stand.view = a_view("halted")
        stand.changed("run")
        page.wait_for_selector("#run.fresh")
        assert page.evaluate("document.getAnimations().length") == 0


@pytest.mark.parametrize("text", HOSTILE[:1])
def test_hostile_words_run_nothing_and_push_nothing_aside(window, text):
    with a_stand(poisoned(text)) as stand, window.at(stand.url) as page:
        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        assert breadth(page) <= 0
        stand.changed("run", "tail", "alerts", "header", "warnings")
        _all_is_fetched(page, again=5)
        assert page.evaluate("document.querySelectorAll('script').length") == 1


def test_on_paper_nothing_is_cut_off_in_a_box_that_scrolls(window):
    with a_stand(a_view("amid")) as stand, window.at(stand.url, size=WIDE) as page:
        page.emulate_media(media="print")
        cut = """Array.from(document.querySelectorAll(".wide"))
            .filter(each => getComputedStyle(each).overflow !== "visible"
                || getComputedStyle(each).maxHeight !== "none").map(each => each.id)"""
        assert page.evaluate(cut) == []
        page.emulate_media(media="screen")


def test_an_endless_word_does_not_widen_the_page(window):
    view = poisoned("W" * 3000)
    with a_stand(view) as stand, window.at(stand.url, size=PHONE) as page:
        assert breadth(page) <= 0


def _seen(page, words, place):
    """When `words` were first seen in a part of the page."""
    _until(page, lambda: words in page.locator(place).inner_text(), every_ms=5)
    return time.monotonic()


def test_a_fill_is_on_the_page_within_a_second(window, tmp_path, record_property):
    with Floor(tmp_path) as floor, window.at(floor.scene.daemon.url) as page:
        floor.does(floor.rests())
        _seen(page, "0 of 1 orders filled", "#run")
        assert "CCC" in page.inner_text("#orders")
        taken_s = []
        for symbol in FILLED:
            floor.trades(symbol, until=lambda symbol=symbol: symbol in floor.booked)
            filled_at = _seen(page, f"{symbol} @", "#tail")
            taken_s.append(filled_at - floor.booked[symbol])
        floor.does(floor.scene.until(lambda: floor.scene.all(e.RunFinished)))
        _seen(page, "done", "#rebalances")
        _seen(page, "AAA", "#positions")
        _seen(page, "No rebalance is under way.", "#run")
        # A header ahead of the stream would have the page open it anew, again and again.
        header = page.locator("#header")
        assert int(header.get_attribute("data-seq") or 0) <= floor.scene.daemon.state.seq
    record_property("said", f"page: fills shown after {', '.join(f'{s:.2f} s' for s in taken_s)}")
    assert sorted(taken_s)[1] < 1  # the median: one may meet a busy machine


def test_the_scenes_are_what_they_are_named_for():
    assert scenes()["amid"].state.run is not None
    assert scenes()["quiet"].state.run is None
