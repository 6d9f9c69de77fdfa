"""The page as `morelli demo` serves it, over an examiner that says what a script says.

A random model writes no sentence that can be checked, and the page is about such sentences; and
without a model the page is up in seconds. Run as `python scripted_page.py PORT FOLDER [SECONDS]`.
"""

import os
import sys
from pathlib import Path

FOLDER = Path(sys.argv[2])
os.environ["GRADIO_TEMP_DIR"] = str(FOLDER)
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
sys.path.insert(0, str(Path(__file__).parent))

from scripted import Scripted  # noqa: E402

from morelli.data_pipeline.images import Limits  # noqa: E402
from morelli.serve.app import Page, Settings, launch  # noqa: E402
from morelli.serve.desk import Desk  # noqa: E402
from morelli.serve.sessions import Sessions  # noqa: E402

if __name__ == "__main__":
    settings = Settings(Limits(max_pixels=4_000_000))
    reports = FOLDER / "reports"
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    page = Page(Desk(Scripted(seconds=seconds)), Sessions(reports), settings)
    launch(page, "127.0.0.1", int(sys.argv[1]), reports, open_browser=False)
