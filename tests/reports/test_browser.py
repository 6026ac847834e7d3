"""The page in a real browser: what no parser can tell. Skips without Chromium unless MMSTUDY_REQUIRE_BROWSER=1."""

import json
import os
import shutil

import pytest

from reports.render import write_report
from reports.summary import summarise

pytestmark = pytest.mark.browser

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
WIDTHS = (400, 1280)


def find(*names):
    return next((path for path in map(shutil.which, names) if path), None)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    chromium, driver = find("chromium", "chromium-browser", "google-chrome"), find("chromedriver")
    if not (chromium and driver):
        reason = "no Chromium with its driver on this machine"
        if os.environ.get("MMSTUDY_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    opened = webdriver.Chrome(options=options, service=Service(driver))
    yield opened
    opened.quit()


@pytest.fixture(scope="module", params=["usual", "wide"])
def page(request, results_of, study_of, tmp_path_factory):
    """A usual report, and one with long names, many arms and many components."""
    if request.param == "usual":
        results = results_of(failures=[("multimodal", 2)], leaky=True)
    else:
        arms = ["reference"] + [f"a_rather_long_name_of_an_arm_without_any_space_number_{i}" for i in range(7)]
        results = results_of(study_of(arms, repeats=3, question="Which " + "verylongword" * 8 + " helps?"),
                             components=[f"component_{i}_with_a_long_name" for i in range(9)], effects={})  # fmt: skip
    return write_report(summarise(results), results, tmp_path_factory.mktemp("report")).as_uri()


def open_at(browser, page, width, theme="light"):
    """Load the page at a width in CSS pixels; a headless window itself cannot be narrower than 500."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    media = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(page)


def test_no_error_and_no_request_beyond_the_page(browser, page):
    open_at(browser, page, 1280)
    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert asked == [page]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_never_scrolls_sideways(browser, page, width):
    open_at(browser, page, width)
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    shown, needed = browser.execute_script(
        "const e = document.documentElement; return [e.clientWidth, Math.max(e.scrollWidth, document.body.scrollWidth)]"
    )
    assert needed <= shown
    # Wide tables scroll inside their own box, which the keyboard can reach.
    assert browser.execute_script("return [...document.querySelectorAll('.scroll')].every(e => e.tabIndex === 0)")


def test_the_arms_of_six_components_are_seen_whole(browser, results_of, study_of, tmp_path):
    components = ("active", "asset", "scale", "position", "rotation", "crop")
    results = results_of(study_of(repeats=10), components=components)
    open_at(browser, write_report(summarise(results), results, tmp_path).as_uri(), 1280)
    shown, needed, prose, page = browser.execute_script(
        "const box = document.querySelector('#arms .scroll');"
        "const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);"
        "return [box.clientWidth, box.scrollWidth,"
        " Math.max(...[...document.querySelectorAll('p')].map(p => p.clientWidth)) / rem,"
        " document.querySelector('main').offsetWidth]"
    )
    assert needed <= shown
    assert page <= 1200
    assert prose <= 44


@pytest.mark.parametrize("width", WIDTHS)
def test_the_verdict_is_seen_at_once(browser, page, width):
    open_at(browser, page, width)
    # Many verdicts are rows of a table, with the words folded below.
    verdict = browser.find_element("css selector", "#verdicts > .verdict h3, #verdicts tbody tr")
    assert verdict.is_displayed()
    assert verdict.rect["y"] < 900
    assert "reference too few repeats" in verdict.text or verdict.text == "multimodal is better than track_only"


def test_details_open_by_keyboard(browser, page):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    open_at(browser, page, 1280)
    fold = browser.find_element("id", "details-comparisons")
    assert fold.get_attribute("open") is None
    table = fold.find_element("tag name", "table")
    assert not table.is_displayed()
    for _ in range(60):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        if browser.switch_to.active_element == fold.find_element("tag name", "summary"):
            break
    ActionChains(browser).send_keys(Keys.ENTER).perform()
    assert fold.get_attribute("open") is not None
    assert table.is_displayed()


def test_figures_have_alternatives_and_the_colour_of_the_text(browser, page):
    for theme in ("light", "dark"):
        open_at(browser, page, 1280, theme)
        figures = browser.find_elements("css selector", "figure svg")
        assert len(figures) == 4
        for figure in figures:
            assert figure.get_attribute("role") == "img"
            assert len(figure.accessible_name) > 10
            assert figure.size["height"] > 80
        ink, paper, label = browser.execute_script(
            "const of = (e, k) => getComputedStyle(e)[k];"
            "return [of(document.body, 'color'), of(document.body, 'backgroundColor'),"
            " of(document.querySelector('figure svg text'), 'fill')]"
        )
        assert ink == label
        assert ink != paper


def test_a_narrow_page_keeps_figures_inside(browser, page):
    open_at(browser, page, 400)
    widths = [f.size["width"] for f in browser.find_elements("css selector", "figure svg")]
    assert all(300 <= width <= 400 for width in widths)
