"""A leaderboard of many runs: how long it takes to make, how large it is, and how long Chromium takes to open it.

    python perf/board.py                      # 200 runs: 40 methods with five seeds each
    python perf/board.py --methods 20 --seeds 10 --browser /usr/bin/google-chrome

The runs are made up, with the files of real ones. "Opened" is the browser's own clock in the page's load event, once
styles and layout are done and our script has run; "shown" is the wall-clock time of the whole browser from its start
to a picture of the page.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from avbench.reports.leaderboard.writing import write_leaderboard

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "reports"))
from many_runs import make_run

TIMER = 'addEventListener("load",()=>{document.body.offsetHeight;document.body.dataset.opened=performance.now()})'


def made_up(folder: Path, methods: int, seeds: int) -> None:
    """Runs of methods that are better and worse."""
    for method in range(methods):
        for seed in range(seeds):
            noise = 0.6 + 0.8 * method / methods
            make_run(folder / f"m{method:02d}-{seed}", f"method-{method:02d}", seed, noise, draw=1000 * method + seed)


def opened(browser: str, page: Path, folder: Path) -> float:
    """Milliseconds from the start of navigation to the load event, with layout."""
    allowed = base64.b64encode(hashlib.sha256(TIMER.encode()).digest()).decode()
    html = page.read_text().replace("script-src '", f"script-src 'sha256-{allowed}' '", 1)
    timed = folder / "timed.html"
    timed.write_text(html.replace("</body>", f"<script>{TIMER}</script></body>"))
    shown = _run(browser, folder, "--dump-dom", timed.as_uri())
    found = re.search(r'data-opened="([\d.]+)"', shown)
    if found is None:
        raise SystemExit(f"{browser} did not reach the load event of {timed}")
    return float(found[1])


def pictured(browser: str, address: str, folder: Path) -> float:
    """Seconds that the browser takes from its start to a picture of a page."""
    start = time.perf_counter()
    _run(browser, folder, f"--screenshot={folder / 'board.png'}", "--window-size=1280,1600", address)
    return time.perf_counter() - start


def _run(browser: str, folder: Path, *words: str) -> str:
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def main() -> None:
    """Print one line for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5, help="of the browser; the median counts")
    parser.add_argument("--browser", default=shutil.which("chromium") or shutil.which("google-chrome"))
    arguments = parser.parse_args()
    if arguments.browser is None:
        parser.error("there is no Chromium; name a browser of its family with --browser")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made_up(folder / "runs", arguments.methods, arguments.seeds)
        page = folder / "board.html"
        start, before = time.perf_counter(), time.process_time()
        board, _ = write_leaderboard([folder / "runs"], page)
        cpu = time.process_time() - before
        print(f"{len(board.runs)} runs, made in {time.perf_counter() - start:.1f} s ({cpu:.1f} s of CPU time)")
        print(f"{page.stat().st_size / 2**20:.2f} MiB")
        rounds = range(arguments.rounds)
        clock = sorted(opened(arguments.browser, page, folder) for _ in rounds)
        wall = sorted(pictured(arguments.browser, page.as_uri(), folder) for _ in rounds)
        empty = sorted(pictured(arguments.browser, "about:blank", folder) for _ in rounds)
        print(f"opened in {clock[len(clock) // 2]:.0f} ms (all: {', '.join(f'{one:.0f}' for one in clock)})")
        print(f"shown in {wall[len(wall) // 2]:.2f} s (all: {', '.join(f'{one:.2f}' for one in wall)})")
        print(f"an empty page in {empty[len(empty) // 2]:.2f} s")


if __name__ == "__main__":
    main()
