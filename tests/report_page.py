"""Chromium for the pages of reports, and pictures of them.

    .venv/bin/python tests/report_page.py FOLDER

docs/images/report.png is its readme.png, made with the Debian package fonts-liberation.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Playwright, sync_playwright
from setup.environment import BROWSERS

ROOT = Path(__file__).resolve().parents[1]


def launch(playwright: Playwright) -> Browser:
    """The machine's Chromium, without a window."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        raise RuntimeError("no Chromium: python3 tests/setup/environment.py --for test")
    # in a container root has no sandbox, and little shared memory
    return playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])


def pictures(folder: Path) -> None:
    """Light, dark, a host opened, a thousand hosts, narrow, and print."""
    import report_fleet
    from ansible_collections.infoprotect.aip.plugins.plugin_utils.report import html

    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = launch(playwright)

        def page(name: str, made: dict[str, Any], width: int = 1400, height: int = 900, **settings: Any) -> Page:
            path = folder / f"{name}.html"
            path.write_text(html.as_html(made), encoding="utf-8")
            size: Any = {"width": width, "height": height}
            shown = browser.new_context(viewport=size, **settings).new_page()
            shown.goto(path.as_uri())
            return shown

        sample = report_fleet.sample()
        readme = page("sample", sample, width=1280, height=860, device_scale_factor=1.5)
        readme.screenshot(path=folder / "readme.png")
        light = page("sample", sample)
        light.screenshot(path=folder / "report-light.png")
        light.screenshot(path=folder / "report-full.png", full_page=True)
        light.get_by_role("button", name="core01", exact=True).click()
        light.screenshot(path=folder / "report-host.png", full_page=True)
        light.pdf(path=folder / "report-print.pdf", prefer_css_page_size=True)
        light.emulate_media(media="print")
        light.screenshot(path=folder / "report-print.png", full_page=True)
        page("sample", sample, color_scheme="dark").screenshot(path=folder / "report-dark.png", full_page=True)
        page("sample", sample, width=600).screenshot(path=folder / "report-narrow.png")
        many = page("thousand", report_fleet.content(report_fleet.fleet(1000)))
        many.screenshot(path=folder / "report-1000.png")
        many.mouse.wheel(0, 6000)
        many.wait_for_timeout(200)
        many.screenshot(path=folder / "report-1000-scrolled.png")


if __name__ == "__main__":
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader([str(ROOT / ".cache/collections")])
    pictures(Path(sys.argv[1]))
