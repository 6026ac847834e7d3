"""The page in a real browser: what no parser can tell. Skips without Chromium unless MMSTUDY_REQUIRE_BROWSER=1."""

import json
import os
import shutil
from dataclasses import replace
from functools import cache

import pytest
from factories import lattices
from factories.answers import attention_answer, corruption_answer, gates_answer
from factories.answers_of_errors import errors_answer
from factories.searches import make_search

from reports.output.render import write_report
from reports.summary.build import summarise

# Slow as a whole: early in a process's share, no other process takes half of it over and draws its reports again.
pytestmark = [pytest.mark.browser, pytest.mark.slow]

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
    # The rules of accessibility look at every cell, which takes its time on a busy machine.
    opened.set_script_timeout(240)
    opened.command_executor.client_config.timeout = 300
    yield opened
    opened.quit()


@pytest.fixture(scope="module", params=["usual", "wide"])
def page(request, page_of):
    """A usual report, and one with long names, many arms and many components."""
    return page_of(request.param)


@pytest.fixture(scope="module")
def page_of(results_of, study_of, tmp_path_factory):
    """Writes each of the two once, whatever order the tests come in."""
    return cache(lambda kind: write_page(kind, results_of, study_of, tmp_path_factory.mktemp("report")))


def write_page(kind, results_of, study_of, folder):
    if kind == "usual":
        results = results_of(failures=[("multimodal", 2)], leaky=True, items=40, calibrated=True)
    else:
        arms = ["reference"] + [f"a_rather_long_name_of_an_arm_without_any_space_number_{i}" for i in range(7)]
        results = results_of(study_of(arms, repeats=3, question="Which " + "verylongword" * 8 + " helps?"),
                             components=[f"component_{i}_with_a_long_name" for i in range(9)], effects={}, items=5,
                             calibrated=True)  # fmt: skip
    return write_report(summarise(results), results, folder).as_uri()


@pytest.fixture(scope="module")
def page_of_sections(study_of, records_of, tmp_path_factory):
    """A report with a section of every analysis, and of a search."""
    study = lattices.lattice_study(study_of, repeats=6)
    results = lattices.trained(study, records_of)
    whole = "+".join(lattices.NAMES)
    answers = list(lattices.asked(results, whole).analyses)
    for repeat in range(study.repeats):
        answers += [
            gates_answer(whole, repeat),
            attention_answer(whole, repeat),
            corruption_answer(whole, repeat, fall=0.3, reads=lattices.NAMES, noise=0.01 * repeat),
            errors_answer(whole, repeat, 1 + 0.05 * repeat, speech=0.7),
        ]
    results = replace(results, analyses=tuple(answers), search=(make_search(whole),))
    summary = summarise(results)
    assert {"gates", "attention", "modalities", "corruption", "errors", "search"} <= {s.key for s in summary.sections}
    return write_report(summary, results, tmp_path_factory.mktemp("sections")).as_uri()


def only_first_rows(browser):
    """Rows are alike, and each cell takes the rules their time: three of a table stand for all."""
    browser.execute_script("document.querySelectorAll('tbody tr:nth-child(n + 4)').forEach(r => r.remove())")


def violations(browser, part=None, colours_alone=False):
    """Of the rules of accessibility, on the page or a part of it, all unfolded: rule and first elements.

    Args:
        colours_alone: only the two rules of them that look at colours.
    """
    from axe_core_python.selenium import Axe

    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    # No rule is about the shapes within a figure, and each of thousands takes its time.
    browser.execute_script(
        "document.querySelectorAll('figure svg g').forEach(g => g.querySelector('text') || g.remove())"
    )
    # Of rules that are kept only their names come back, not each of ten thousand elements.
    some = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
    result = Axe().run(browser, part, {"resultTypes": ["violations"]} | (some if colours_alone else {}))
    assert len(result["passes"]) > (0 if colours_alone else 20 if part is None else 10)
    return [(v["id"], [node["target"] for node in v["nodes"]][:3]) for v in result["violations"]]


def open_at(browser, page, width, theme="light"):
    """Load the page at a width in CSS pixels; a headless window itself cannot be narrower than 500."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    set_theme(browser, theme)
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(page)


def set_theme(browser, theme):
    media = {"media": "", "features": [{"name": "prefers-color-scheme", "value": theme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)


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
    # Many verdicts are listed by kind, with numbers and words folded below.
    verdict = browser.find_element("css selector", "#verdicts > .verdict h3, #verdicts .groups .verdict")
    assert verdict.is_displayed()
    assert verdict.rect["y"] < 900
    assert "Too few repeats against reference: 7 of 7" in verdict.text or (
        verdict.text == "multimodal is better than track_only"
    )


def test_the_first_screen_holds_question_verdict_figure_and_doubt(browser, page_of):
    open_at(browser, page_of("usual"), 1280)
    ends = browser.execute_script(
        "return ['h1', '#verdicts', '#figure svg', '#doubt'].map(q =>"
        " document.querySelector(q).getBoundingClientRect()).map(r => [r.top, r.bottom])"
    )
    assert all(0 < top < bottom <= 800 for top, bottom in ends)
    doubt = browser.find_element("id", "doubt").text
    assert "Not shown: that the same holds on another corpus" in doubt
    # What was found, before the name of the check.
    assert "1 run failed (1 of 'multimodal'). Runs failed · ABL002" in doubt
    # The reason and the advice come with a click.
    advice = browser.find_element("css selector", "#warnings details p")
    assert not advice.is_displayed()
    browser.find_element("css selector", "#warnings summary").click()
    assert "What to do:" in advice.text


def test_a_report_with_every_section_is_short_until_it_is_opened(browser, page_of_sections):
    open_at(browser, page_of_sections, 1280)
    top = "return document.querySelector(arguments[0]).getBoundingClientRect().top + scrollY"
    assert browser.execute_script(top, "#details") <= 6000
    assert browser.execute_script("return document.querySelectorAll('.analysis .findings li').length") > 10
    errors = browser.find_element("css selector", "#section-errors")
    browser.find_element("css selector", "#more-errors > summary").click()
    assert errors.find_element("css selector", "figure svg").is_displayed()
    assert 500 < errors.size["height"] <= 3000


def test_no_caption_is_longer_than_two_lines(browser, page_of_sections):
    open_at(browser, page_of_sections, 1280)
    browser.execute_script("document.querySelectorAll('details:not(.how)').forEach(d => d.open = true)")
    lines = browser.execute_script(
        "return [...document.querySelectorAll('figcaption .said, caption span')].map(e =>"
        " [e.textContent, Math.round(e.getBoundingClientRect().height / parseFloat(getComputedStyle(e).lineHeight))])"
    )
    assert len(lines) > 40
    assert [text for text, n in lines if n > 2] == []


def test_contents_stay_in_sight_and_lead_to_every_section(browser, page_of_sections):
    open_at(browser, page_of_sections, 1280)
    links = browser.execute_script(
        "return [...document.querySelectorAll('#contents .menu a')].map(a => [a.hash.slice(1), a.textContent])"
    )
    ids = [section for section, _ in links]
    analyses = browser.execute_script("return [...document.querySelectorAll('.analysis')].map(s => s.id)")
    assert set(analyses) <= set(ids)
    assert {"verdicts", "doubt", "arms", "setup", "data", "paper", "details"} <= set(ids)
    assert browser.execute_script("return arguments[0].every(id => document.getElementById(id))", ids)
    for width, shown in ((400, "menu"), (1280, "bar"), (1920, "side")):
        open_at(browser, page_of_sections, width)
        browser.execute_script("scrollTo(0, 2000)")
        contents = browser.find_element("css selector", f"#contents .{shown}")
        assert contents.is_displayed()
        assert 0 <= browser.execute_script("return arguments[0].getBoundingClientRect().top", contents) < 60
        hidden = [e.is_displayed() for e in browser.find_elements("css selector", "#contents > *")]
        assert sum(hidden) == 1
    open_at(browser, page_of_sections, 400)
    browser.find_element("css selector", "#contents summary").click()
    browser.find_element("css selector", "#contents .menu a[href='#section-errors']").click()
    at, bar = browser.execute_script(
        "return ['#section-errors', '#contents summary'].map(q => document.querySelector(q).getBoundingClientRect())"
        ".map((r, i) => i ? r.bottom : r.top)"
    )
    # Not hidden behind the contents, which a choice shuts again.
    assert bar <= at < 300
    assert browser.find_element("css selector", "#contents .menu").get_attribute("open") is None


def test_details_open_by_keyboard(browser, page):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    open_at(browser, page, 1280)
    fold = browser.find_element("id", "details-comparisons")
    assert fold.get_attribute("open") is None
    table = fold.find_element("tag name", "table")
    assert not table.is_displayed()
    for _ in range(400):
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
        assert len(figures) in (6, 8)
        assert [figure.is_displayed() for figure in figures].count(True) == 1
        browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
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
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    widths = [f.size["width"] for f in browser.find_elements("css selector", "figure svg")]
    assert all(300 <= width <= 400 for width in widths)


def column(table, i):
    return [
        row.find_elements("css selector", "th, td")[i].text for row in table.find_elements("css selector", "tbody tr")
    ]


def test_tables_are_sorted_by_the_keyboard(browser, results_of, study_of, tmp_path):
    from selenium.webdriver.common.keys import Keys

    study = study_of(("a", "b", "c", "d"), repeats=4)
    results = results_of(study, effects={"b": 0.3, "c": -0.5, "d": 0.1}, absent=[("d", r) for r in range(4)])
    open_at(browser, write_report(summarise(results), results, tmp_path).as_uri(), 1280)
    table = browser.find_element("css selector", "#arms table")
    header = table.find_elements("css selector", "thead th")[1]
    button = header.find_element("tag name", "button")
    assert button.accessible_name == "skill"
    orders, said = [], []
    for _ in range(3):
        button.send_keys(Keys.ENTER)
        orders.append([name.split()[0] for name in column(table, 0)])
        said.append(header.get_attribute("aria-sort"))
        assert browser.switch_to.active_element == button
    # An arm without a score comes last in either direction; the third time brings the order of the report back.
    assert orders == [["c", "a", "b", "d"], ["b", "a", "c", "d"], ["a", "b", "c", "d"]]
    assert said == ["ascending", "descending", None]
    interval = table.find_elements("css selector", "thead button")[2]
    button.send_keys(Keys.SPACE)
    interval.send_keys(Keys.SPACE)
    assert [h.get_attribute("aria-sort") for h in table.find_elements("css selector", "thead th")][:3] == [
        None, None, "ascending",
    ]  # fmt: skip
    assert browser.get_log("browser") == []


def test_every_table_of_the_page_can_be_sorted_or_says_why_not(browser, page):
    open_at(browser, page, 1280)
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = browser.execute_script(
        "return [...document.querySelectorAll('table')].map(t => [t.parentElement.ariaLabel, t.tBodies[0].rows.length,"
        " t.querySelectorAll('thead button').length, t.tHead.rows[0].cells.length, !!t.querySelector('[colspan]')])"
    )
    assert len(found) > 5
    for _, rows, buttons, columns, joined in found:
        assert buttons == (0 if rows < 2 or joined else columns)


def test_numbers_are_sorted_as_numbers_and_words_as_words(browser, page):
    open_at(browser, page, 1280)
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    for table in browser.find_elements("css selector", "#arms table, #details-comparisons table, #details-runs table"):
        for i in range(len(table.find_elements("css selector", "thead th"))):
            browser.execute_script("arguments[0].querySelectorAll('thead button')[arguments[1]].click()", table, i)
            cells = browser.execute_script(
                "return [...arguments[0].tBodies[0].rows].map(r => r.cells[arguments[1]])"
                ".map(c => [c.dataset.value ?? null, c.textContent.trim()])", table, i,
            )  # fmt: skip
            numbers = [float(value) for value, _ in cells if value is not None]
            assert numbers == sorted(numbers)
            assert [value is None for value, _ in cells] == sorted(value is None for value, _ in cells)


def test_the_page_is_whole_without_its_script(browser, page):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        open_at(browser, page, 1280)
        assert browser.find_elements("css selector", "thead button") == []
        headers = browser.find_elements("css selector", "#arms thead th")
        assert headers[1].text == "skill ?"
        assert browser.find_element("css selector", "#arms tbody td").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_an_arm_leads_to_its_runs(browser, page):
    open_at(browser, page, 1280)
    link = browser.find_element("css selector", "#arms tbody tr:last-child a")
    name = link.text
    browser.execute_script("arguments[0].click()", link)
    row = browser.find_element("css selector", "#details-runs tr:target")
    assert row.is_displayed()
    assert row.find_element("tag name", "th").text == name
    assert browser.find_element("id", "details-runs").get_attribute("open") is not None


@pytest.mark.parametrize(
    ("page", "width", "theme"),
    [
        ("usual", 400, "light"),
        ("wide", 400, "dark"),
        ("usual", 1280, "dark"),
        ("wide", 1280, "light"),
        ("usual", 1920, "light"),
        ("wide", 1920, "dark"),
    ],
    indirect=["page"],
)  # every pair of two settings
def test_automated_rules_of_accessibility_find_nothing(browser, page, width, theme):
    open_at(browser, page, width, theme)
    if width != 1280:
        only_first_rows(browser)
    assert violations(browser) == []


ALL_BUT_COLOURS = """
return [...document.querySelectorAll('body, body *:not(svg *)')].map((e) => {
  const style = getComputedStyle(e), box = e.getBoundingClientRect();
  const seen = ['display', 'visibility', 'opacity', 'fontSize', 'fontWeight', 'textDecorationLine', 'content'];
  return [e.tagName, box.x, box.y, box.width, box.height, ...seen.map((name) => style[name])].join(' ');
}).join('\\n');
"""
"""Where every element is, and how, in a text."""


@pytest.mark.parametrize("width", [400, 1280, 1920])
def test_sections_of_analyses_are_accessible_too(browser, page_of_sections, width):
    open_at(browser, page_of_sections, width)
    only_first_rows(browser)
    assert violations(browser, ".analysis") == []
    light = browser.execute_script(ALL_BUT_COLOURS)
    shown, needed = browser.execute_script(
        "const e = document.documentElement; return [e.clientWidth, Math.max(e.scrollWidth, document.body.scrollWidth)]"
    )
    assert needed <= shown
    # A dark page differs in its colours alone, so only the rules about these can find more.
    set_theme(browser, "dark")
    assert browser.execute_script(ALL_BUT_COLOURS) == light
    assert violations(browser, ".analysis", colours_alone=True) == []


VISIBLE = "return [...document.querySelectorAll('table, figure svg, dl, pre')].map(e => e.checkVisibility())"


def test_nothing_is_folded_on_paper(browser, page):
    open_at(browser, page, 1280)
    assert set(browser.execute_script(VISIBLE)) == {True, False}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    printed = browser.execute_script(VISIBLE)
    assert len(printed) > 10
    assert set(printed) == {True}
    assert not browser.find_element("id", "contents").is_displayed()


def test_folds_are_open_while_the_page_is_printed(browser, page):
    open_at(browser, page, 1280)
    browser.find_element("css selector", "#details-runs > summary").click()
    opened = "return [...document.querySelectorAll('details')].map(d => d.open)"
    before = browser.execute_script(opened)
    assert {True, False} == set(before)
    for _ in range(2):
        assert set(browser.execute_script(f"dispatchEvent(new Event('beforeprint')); {opened}")) == {True}
        assert browser.execute_script(f"dispatchEvent(new Event('afterprint')); {opened}") == before


def test_a_heading_leads_to_its_meaning_by_keyboard(browser, page):
    from selenium.webdriver.common.keys import Keys

    open_at(browser, page, 1280)
    header = browser.find_element("css selector", "#arms thead th:nth-child(3)")
    link = header.find_element("css selector", "a.term")
    assert link.accessible_name == "What “interval” means"
    assert "true mean" in link.get_attribute("title")
    link.send_keys(Keys.ENTER)
    word = browser.find_element("css selector", ".words :target")
    assert word.find_element("tag name", "dd").text == link.get_attribute("title")
    assert header.get_attribute("aria-sort") is None


def test_a_number_leads_to_the_runs_of_its_arm(browser, page):
    open_at(browser, page, 1280)
    row = browser.find_element("css selector", "#arms tbody tr:last-child")
    name = row.find_element("tag name", "a").text
    numbers = row.find_elements("css selector", "td a")
    assert len(numbers) > 3
    # The keyboard stops once a row, at the name.
    assert {number.get_attribute("tabindex") for number in numbers} == {"-1"}
    browser.execute_script("arguments[0].click()", numbers[-1])
    assert browser.find_element("css selector", "#details-runs tr:target th").text == name


def test_the_rules_of_accessibility_would_find_something(browser, page_of):
    open_at(browser, page_of("usual"), 1280, "dark")
    only_first_rows(browser)
    browser.execute_script(
        "document.querySelector('h2').insertAdjacentHTML('afterend', '<h5>x</h5>');"
        "document.querySelector('figure svg').removeAttribute('aria-labelledby');"
        "document.querySelectorAll('figure svg')[0].querySelectorAll('title, desc').forEach(e => e.remove());"
        "document.querySelector('h1').style.color = '#333'"
    )
    assert {"heading-order", "svg-img-alt", "color-contrast"} <= {rule for rule, _ in violations(browser)}
    assert [rule for rule, _ in violations(browser, colours_alone=True)] == ["color-contrast"]
