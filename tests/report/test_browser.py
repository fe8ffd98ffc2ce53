"""The page in a real browser, at the width of a screen and of a telephone: all there, nothing sticks out, no errors."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from test_ranking import exp  # noqa: F401  (the fixture)
from test_report import run_report

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: the report was not looked at in a browser")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--enable-logging=stderr"]
FRAME = """<!DOCTYPE html>
<iframe id="f" src="report.html" style="width:{width}px;height:900px;border:0"></iframe><script>
document.getElementById("f").onload = function () {{
  var page = this.contentDocument, box = page.documentElement, wide = [];
  page.querySelectorAll("p, li, h1, h2, h3, figure, svg, .scroll").forEach(function (e) {{
    if (e.getBoundingClientRect().right > {width} + 1) wide.push(e.tagName); }});
  var drawn = Array.from(page.querySelectorAll("svg")).filter(function (s) {{
    return s.getBoundingClientRect().height > 50 && s.querySelectorAll("path").length > 5; }}).length;
  var rate = page.querySelector("tbody tr:nth-child(2) td").getBoundingClientRect().right;
  document.title = ["measured", box.scrollWidth, drawn, wide.length, Math.ceil(rate)].join(" ");
}};</script>"""


def browse(page: Path, *flags: str) -> subprocess.CompletedProcess:
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={page.parent / 'profile'}", *flags, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("width", [1280, 420])
def test_nothing_sticks_out_and_every_figure_is_drawn(exp, width):  # noqa: F811
    out = run_report(exp, f"browser{width}")
    figures = (out / "report.html").read_text().count("<svg")
    frame = out / "frame.html"
    frame.write_text(FRAME.format(width=width))
    seen = browse(frame, "--virtual-time-budget=10000", "--dump-dom", f"--window-size={width + 40},1000")
    measured = re.search(r"<title>measured (\d+) (\d+) (\d+) (\d+)</title>", seen.stdout)
    assert measured, seen.stderr[-2000:]
    assert int(measured[1]) <= width and int(measured[2]) == figures > 4 and int(measured[3]) == 0
    assert int(measured[4]) <= width  # the first system's EER is in sight without scrolling
    assert "CONSOLE" not in seen.stderr
