"""report.html in headless Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import report_fleet
from ansible_collections.infoprotect.aip.plugins.plugin_utils.report import html
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright
from report_fleet import content, fleet
from report_page import launch

Data = dict[str, Any]
#: The rules of WCAG 2.2 at the levels A and AA that axe-core knows.
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
#: The only one that depends on the colour scheme.
CONTRAST = {"runOnly": ["color-contrast"], "resultTypes": ["violations"]}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield launch(playwright)


class Shown:
    """A page with a report, and everything that it tried to load or complained of."""

    def __init__(self, browser: Browser, path: Path, made: Data, **settings: Any) -> None:
        path.write_text(html.as_html(made), encoding="utf-8")
        self.page: Page = browser.new_context(viewport={"width": 1400, "height": 900}, **settings).new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.goto(path.as_uri())

    def names(self) -> list[str]:
        return self.page.locator(".matrix tbody tr[data-row]:visible th").all_inner_texts()

    def is_clean(self) -> bool:
        return len(self.requests) == 1 and not self.complaints


@pytest.fixture
def shown(browser: Browser, tmp_path: Path, sample: Data) -> Iterator[Shown]:
    one = Shown(browser, tmp_path / "report.html", sample)
    yield one
    assert one.is_clean(), (one.requests, one.complaints)
    one.page.context.close()


# -- what it shows ----------------------------------------------------------------------------------------------------


def test_the_bar_filters(shown: Shown, sample: Data) -> None:
    page = shown.page
    assert len(shown.names()) == 16
    for status in ("drifted", "blocked", "unreachable", "compliant"):
        button = page.locator(f"button.stat.{status}")
        button.click()
        assert set(shown.names()) == {host["name"] for host in sample["hosts"] if host["status"] == status}
        assert button.get_attribute("aria-pressed") == "true"
    expect(page.locator("#count")).to_have_text("8 of 16 hosts")
    page.locator("rect.blocked").click()
    assert set(shown.names()) == {"core01", "ex01"}
    page.locator("button.stat.restart").click()
    assert set(shown.names()) == {"fs02", "sp01", "ts02"}
    page.locator("button.stat.restart").click()
    assert len(shown.names()) == 16


def test_search_looks_into_values_products_and_prerequisites(shown: Shown) -> None:
    page, search = shown.page, shown.page.locator("#search")
    for text, names in {
        "RMSC0": {"rmsc01", "rmsc02", "rmsc03"},
        "schusestrongcrypto": {"core01", "fs01", "fs02", "rmsc02"},
        "unified_labeling": {"core01", "fs01", "fs02"},
        "HKLM:\\SOFTWARE\\Microsoft\\MSIPC": {"sp01"},
        "desktop experience": {"core01"},
        "2012 fs01": {"fs01"},
    }.items():
        search.fill(text)
        page.wait_for_timeout(100)  # it waits for the next key
        expect(page.locator("#count")).to_have_text(re.compile(f"^{len(names)} of 16"))
        assert set(shown.names()) == names, text
    search.fill("no such thing")
    expect(page.locator("#nothing")).to_be_visible()
    page.locator("#clear-all").click()
    assert len(shown.names()) == 16 and search.input_value() == ""


def test_the_domain_filter(shown: Shown) -> None:
    shown.page.locator("#domain").select_option("tls")
    assert set(shown.names()) == {"app03", "core01", "fs01", "rmsc02"}
    shown.page.locator("#clear").click()
    assert len(shown.names()) == 16


def test_the_header_sorts(shown: Shown) -> None:
    page = shown.page
    status = page.locator("th[data-sort=status]")
    assert shown.names()[:3] == ["core01", "ex01", "sp01"] and status.get_attribute("aria-sort") == "ascending"
    first = shown.names()
    status.locator("button").click()
    assert shown.names()[-2:] == ["core01", "ex01"] and status.get_attribute("aria-sort") == "descending"
    status.locator("button").click()
    assert shown.names() == first, "the script sorts as the page was written"
    page.locator("th[data-sort=name] button").click()
    assert shown.names() == sorted(first)
    page.locator("th[data-domain=tls] button").click()
    assert shown.names()[:3] == ["core01", "fs01", "rmsc02"]
    assert page.locator("[aria-sort]").count() == 1


def test_a_host_opens(shown: Shown) -> None:
    page = shown.page
    button = page.get_by_role("button", name="core01", exact=True)
    assert button.get_attribute("aria-expanded") == "false" and page.locator(".detail").count() == 0
    button.click()
    detail = page.locator(f"#{button.get_attribute('aria-controls')}")
    text = detail.inner_text()
    for expected in (
        "Server with Desktop Experience, or a workstation",
        "aip-requirements-2021.md, Server support",
        "Take the host out of the group aip_clients",
        "HKLM:\\SOFTWARE\\Microsoft\\MSIP (32-bit view)",
        "UseDefaultCredentialsInProxy",
        "dword 1",
        "install unified_labeling: 2.14.90.0 → 2.18.26 or later",
        "core01.contoso.com",
    ):
        assert expected in text, f"{expected}\n\n{text}"
    button.click()
    expect(detail).to_be_hidden()
    assert button.get_attribute("aria-expanded") == "false"


def test_a_changed_host_has_its_receipt_and_what_is_new(shown: Shown) -> None:
    shown.page.get_by_role("button", name="fs02", exact=True).click()
    shown.page.locator(".detail summary").click()
    text = shown.page.locator(".detail").inner_text()
    assert "aip_restore_receipt=000007-20261129T091500Z-desired_state.json" in text and "set by this run" in text
    assert "18 resolved" in text and "tls: HKLM:" in text and "was drifted, is compliant" in text


def test_details_stay_with_their_host(shown: Shown) -> None:
    page = shown.page
    page.locator("#unfold").click()
    assert page.locator(".detail:visible").count() == 16
    page.locator("th[data-sort=status] button").click()
    page.locator("button.stat.blocked").click()
    order = page.locator(".matrix > tbody > tr:visible").evaluate_all(
        "rows => rows.map(row => row.dataset.row === undefined ? row.id : `detail-${row.dataset.row}`)"
    )
    assert len(order) == 4 and order[0] == order[1] and order[2] == order[3]


def test_sections(shown: Shown) -> None:
    text = shown.page.locator("main").inner_text()
    for expected in (
        "8 of 16 hosts comply.",
        "Sign in to rmsc03.contoso.com and open Windows PowerShell",
        "at least 2 in service",
        "CONTOSO\\SP02$ asked and is not authorized.",
        "14 times",
        "out of service run 5f3a9c01 on awx-2, AWX job 4711",
        "expires 2026-11-29 10:42:00 UTC",
        "in 18 days",
        "missing CONTOSO\\RMS-SharePoint",
        "G. Hopper",
        "29 days ago",
        "Added: app02",
        "--limit fs02",
        "activated tenant 5c6bb73b-1038-4eec-863d-49bded473437",
        "Customer-managed (BYOK)",
        "941 days ago",
        "10000000-0000-4000-8000-000000000004 (ConnectorAdministrator)",
        "Confidential (published, default)",
        "differs superusers@contoso.com",
        "set by this run before: no",
        "ipcv3 cannot be read: Access denied.",
        "not asked in this run",
        "discovery 12 repositories",
        "228,043 scanned files, 17 failed files",
        "drifted start service: stopped -> started",
        "event 103 The repository \\\\files\\hr is not reachable.",
        "change template Projekt: state",
    ):
        assert expected in text, f"{expected}\n\n{text}"


def test_a_long_value_is_folded(shown: Shown) -> None:
    row = shown.page.locator("#service tr", has_text="super users").first
    assert "legal6@contoso.com" not in row.inner_text()
    row.locator("summary").click()
    assert "legal6@contoso.com" in row.inner_text()


def test_a_tenant_that_nobody_asked_is_one_paragraph(browser: Browser, tmp_path: Path) -> None:
    one = Shown(browser, tmp_path / "report.html", content({"inspections": {"srv": report_fleet.client("srv")}}))
    assert "set variables of the role protection_service" in one.page.locator("#service").inner_text()
    assert one.page.locator("#service table").count() == 0 and one.is_clean()
    assert "not asked" in one.page.locator("nav.sections").inner_text()
    one.page.context.close()


# -- keyboard, accessibility, without scripts, print ------------------------------------------------------------------


def test_keyboard(shown: Shown) -> None:
    page = shown.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.type("core01")
    expect(page.locator("#count")).to_have_text("1 of 16 hosts")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "open":
            break
    page.keyboard.press("Enter")
    expect(page.locator(".detail")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    assert len(shown.names()) == 16


@pytest.mark.parametrize(("scheme", "rules"), [("light", WCAG), ("dark", CONTRAST)])
def test_accessibility(browser: Browser, tmp_path: Path, sample: Data, scheme: Any, rules: Data) -> None:
    one = Shown(browser, tmp_path / "report.html", sample, color_scheme=scheme)
    for name in ("core01", "fs02", "rmsc03", "app09"):
        one.page.get_by_role("button", name=name, exact=True).click()
    one.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    found = Axe().run(one.page, options=rules)
    assert found.violations_count == 0, found.generate_report()
    one.page.locator("button.stat.drifted").click()
    found = Axe().run(one.page, context=".glance, .tools", options=rules)
    assert found.violations_count == 0, found.generate_report()
    assert one.is_clean(), one.complaints
    one.page.context.close()


def test_without_scripts_the_table_is_complete(browser: Browser, tmp_path: Path, sample: Data) -> None:
    one = Shown(browser, tmp_path / "report.html", sample, java_script_enabled=False)
    assert len(one.names()) == 16 and one.page.locator("noscript p").is_visible()
    assert not one.page.locator("#search").is_visible()
    cell = one.page.locator("tr", has_text="fs01").first.locator("td.drifted b")
    assert cell.all_inner_texts() == ["1", "1", "16"]
    one.page.context.close()


def test_print_has_no_controls(shown: Shown) -> None:
    shown.page.emulate_media(media="print")
    for hidden in ("#search", "#unfold", "nav.sections"):
        expect(shown.page.locator(hidden)).to_be_hidden()
    assert shown.page.locator(".matrix thead th").first.evaluate("node => getComputedStyle(node).position") == "static"


def test_print_has_folded_values(shown: Shown) -> None:
    folded = shown.page.locator("#service details")
    for event, opened in ("beforeprint", True), ("afterprint", False):
        shown.page.evaluate(f"window.dispatchEvent(new Event('{event}'))")
        assert folded.evaluate("node => node.open") is opened


# -- text of hosts is data --------------------------------------------------------------------------------------------


def test_nothing_of_a_host_becomes_markup(browser: Browser, tmp_path: Path, hostile: Data) -> None:
    one = Shown(browser, tmp_path / "report.html", hostile)
    one.page.locator("#unfold").click()
    assert one.page.evaluate("window.attacked") is None
    for element in ("img", "svg[onload]", "[onerror]", "iframe", "a[href^='javascript']", "a[href^='http']"):
        assert one.page.locator(element).count() == 0, element
    assert one.page.locator("script").count() == 2 and one.page.locator("svg").count() == 1
    # and all of it can be read
    text = one.page.locator("main").inner_text()
    for expected in (
        "<script>window.attacked=1</script>",
        "{{ 7 * 7 }}{% raw %}",
        "<U+202E>evil<U+202C>",
        "]]>&amp;&#60;",
    ):
        assert text.count(expected) > 10, expected
    assert one.is_clean(), (one.requests, one.complaints)
    one.page.context.close()


def test_the_policy_stops_what_the_template_lets_through(browser: Browser, tmp_path: Path, sample: Data) -> None:
    path = tmp_path / "report.html"
    one = Shown(browser, path, sample)
    attack = "<script>window.attacked=1</script><img src='http://127.0.0.1:9/x'><p style='color:red'>x</p></main>"
    path.write_text(path.read_text(encoding="utf-8").replace("</main>", attack), encoding="utf-8")
    one.page.goto(path.as_uri())
    assert one.page.evaluate("window.attacked") is None and len(one.names()) == 16
    assert len([line for line in one.complaints if "Content Security Policy" in line]) == 3, one.complaints
    one.page.context.close()


@pytest.mark.parametrize("text", ["</script>", "<!--", "\u2028", "&lt;"])
def test_embedded_data_cannot_end_its_element(text: str) -> None:
    made = html.embedded(content({"inspections": {text: report_fleet.client("srv")}}))
    assert not re.search("[<>&\u2028\u2029]", made)


def test_the_script_never_makes_markup_of_text() -> None:
    script = (Path(html.__file__).parent / "page.js").read_text(encoding="utf-8")
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        'setTimeout("',
    ):
        assert word not in script, word


# -- large fleets -----------------------------------------------------------------------------------------------------


def test_a_thousand_hosts_open_in_two_seconds(browser: Browser, tmp_path: Path) -> None:
    made = content(fleet(1000))
    one = Shown(browser, tmp_path / "report.html", made)
    # CPU time of the page's thread, since other tests may run at the same time; without load it is the time to wait
    session = one.page.context.new_cdp_session(one.page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    one.page.reload()
    one.page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    metrics = {item["name"]: item["value"] for item in session.send("Performance.getMetrics")["metrics"]}
    assert 0.02 < metrics["TaskDuration"] < 2, metrics
    assert len(one.names()) == 1000
    one.page.evaluate("window.scrollTo({top: 6000, behavior: 'instant'})")
    tops = [one.page.locator(name).first.bounding_box()["y"] for name in (".tools", ".matrix thead th")]
    assert tops == [0, 60], "the tools and the header stay in view"
    one.page.locator("button.stat.drifted").click()
    assert len(one.names()) == made["summary"]["drifted"]
    one.page.context.close()
    assert (tmp_path / "report.html").stat().st_size < 4_000_000
