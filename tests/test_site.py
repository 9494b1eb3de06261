"""The site as a browser shows it: built strictly, with every name and plot, formulas drawn, and a search that finds."""

import functools
import http.server
import importlib.util
import inspect
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time

import pytest

import jaxloss

ROOT = pathlib.Path(__file__).parents[1]
NEEDED = ("latex2mathml", "matplotlib", "mkdocs", "mkdocstrings")
pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in NEEDED), reason="make docs installs what builds the site"
)
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
in_a_browser = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def _text(page: pathlib.Path) -> str:
    return page.read_text(encoding="utf-8")


def test_every_public_name_has_its_place(site):
    pages = "".join(_text(page) for page in (site / "reference").rglob("*.html"))
    missing = [name for name in jaxloss.__all__ if f'id="jaxloss.{name}"' not in pages]
    assert not missing


def test_every_loss_with_a_class_form_has_its_plot(site):
    """But the adaptive softmax and the fused layers, which are the cross-entropy."""
    forms = [form for name, form in vars(jaxloss).items() if name in jaxloss.__all__ and inspect.isclass(form)]
    losses = {form.fn.__name__ for form in forms if getattr(form, "fn", None)}
    fused = {name for name in losses if inspect.getmodule(getattr(jaxloss, name)).__name__.startswith("jaxloss.fused")}
    pages, gallery = "".join(map(_text, (site / "reference").rglob("*.html"))), _text(site / "gallery" / "index.html")
    for name in losses - fused:
        picture = site / "plots" / f"{name}.svg"
        assert picture.exists(), f"docs/plots.py: PLOTS has no row for {name}"
        assert picture.stat().st_size > 2000, name
        assert f'src="../../plots/{name}.svg"' in pages, name
        assert f"#jaxloss.{name}" in gallery, name


def test_formulas_are_mathml_and_nothing_is_fetched_from_elsewhere(site):
    for page in site.rglob("*.html"):
        text = _text(page)
        assert "arithmatex" not in text, page.name
        shown = re.sub(r"<(pre|code|script|style).*?</\1>|<[^>]+>", "", text, flags=re.S)
        assert not re.search(r"\\[a-z]+\b|\$", shown), page.name
        assert not re.findall(r'<(?:script|img|iframe)[^>]+src="https?:', text), page.name
        assert not re.findall(r'<link[^>]+rel="stylesheet"[^>]+href="https?:', text), page.name
    assert _text(site / "reference" / "regression" / "index.html").count("<math") > 10


def test_the_search_index_has_the_losses(site):
    entries = json.loads(_text(site / "search" / "search_index.json"))["docs"]
    assert any(entry["location"].endswith("#jaxloss.poisson_nll") for entry in entries)


# The search runs in a worker, for which Chromium does not wait; it waits for the picture, which is served late.
SEARCHING = """<iframe src="/?q=QUERY" width="1400" height="900"></iframe><img src="/late"><div id="found"></div>
<script>setInterval(() => {
  const results = frames[0].document.querySelectorAll("a.md-search-result__link");
  document.getElementById("found").textContent = [...results].map(link => link.href).join(" ");
}, 100)</script>"""


# A part of a name finds the losses that have it.
SEARCHES = {"poisson_nll": "poisson_nll", "cross_entropy": "softmax_cross_entropy", "nll": "gamma_nll"}


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of the site, and one answer that is late."""

    def do_GET(self):
        """Answers a request."""
        if self.path != "/late":
            return super().do_GET()
        time.sleep(10)
        return self.send_error(404)

    def log_message(self, *args):
        """Says nothing."""


@pytest.fixture(scope="module")
def address(site):
    """Where the site is served."""
    for query in SEARCHES:
        (site / f"{query}.html").write_text(SEARCHING.replace("QUERY", query))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def _browse(address, *options):
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", *options, address]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


@in_a_browser
@pytest.mark.parametrize("query", SEARCHES)
def test_the_search_finds_a_loss_in_a_browser(address, query):
    page = _browse(f"{address}/{query}.html", "--dump-dom", "--window-size=1400,900")
    found = re.search(r'<div id="found">(.*?)</div>', page)[1]
    assert any(link.endswith(f"#jaxloss.{SEARCHES[query]}") for link in found.split()), found


@in_a_browser
def test_a_page_is_drawn_in_a_browser(address):
    """The screenshots are for a maintainer: in build/screenshots."""
    folder = ROOT / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    for page in ("", "gallery/", "reference/regression/", "which_loss/"):
        path = folder / f"{page.strip('/').replace('/', '-') or 'index'}.png"
        _browse(f"{address}/{page}", f"--screenshot={path}", "--window-size=1400,1800", "--hide-scrollbars")
        assert path.stat().st_size > 20_000, page
    page = _browse(f"{address}/reference/regression/", "--dump-dom")
    assert page.count("<math") > 10
    assert "<merror" not in page
