"""`morelli demo`: the web page, on this machine unless told otherwise."""

import argparse
import atexit
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from morelli.serve.arguments import (
    backend_argument,
    count,
    model_arguments,
    trust_argument,
)
from morelli.serve.console import (
    LoadingError,
    complain,
    connect_backend,
    failed,
    load_examiner,
)

if TYPE_CHECKING:
    from morelli.model.examiner import Examiner
    from morelli.serve.elsewhere import Elsewhere
    from morelli.serve.opening import Opener

EPILOG = """\
Examples:
  morelli demo
  morelli demo --port 8080 --open
  morelli demo --host 0.0.0.0 --waiting 4
  morelli demo --backend http://127.0.0.1:8001/v1

The page needs the packages of the `serve` extra. It listens on this machine only, unless --host
says otherwise; it has no accounts, so put it behind something that has before you open it to
others. Pictures are kept in memory for half an hour at most, and uploads are deleted once read."""


def demo_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `morelli demo`."""
    model_arguments(parser)
    backend_argument(parser)
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)"
    )
    parser.add_argument("--port", type=int, default=7860, help="port (default: 7860)")
    parser.add_argument(
        "--waiting",
        type=count,
        default=16,
        metavar="N",
        help="visitors that are served or wait together (default: 16)",
    )
    trust_argument(parser)
    parser.add_argument("--open", action="store_true", help="open the page in the browser")


def run_demo(args: argparse.Namespace) -> int:
    """Load the model and serve the page until Ctrl-C; return the exit code."""
    # Gradio reads these when it is imported: all it writes goes to a folder of our own.
    folder = Path(tempfile.mkdtemp(prefix="morelli-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    from morelli.serve.opening import OPENED_AT_A_TIME, opener

    try:
        backend = connect_backend(args)
    except LoadingError as error:
        return failed(str(error))
    # Begun first, since its processes start while everything else is imported.
    with opener(args.trust_files, OPENED_AT_A_TIME) as opens:
        try:
            examiner = _loaded_meanwhile(args)
        except ImportError as error:
            return failed(
                f"{error.name} is missing; install the extra: pip install 'morelli[serve]'"
            )
        except LoadingError as error:
            return failed(str(error))
        examiner.measure = opens.measure
        return _serve(args, examiner, backend, opens, folder / "reports")


def _loaded_meanwhile(args: argparse.Namespace) -> "Examiner":
    """Read the weights while gradio is imported: the one waits for the disk, the other computes.

    Raises:
        ImportError: gradio is not installed.
        LoadingError: see `load_examiner`.
    """
    # Imported before the thread begins: two imports at once may wait for each other.
    import morelli.model.examiner

    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load_examiner, args)
        import morelli.serve.app  # noqa: F401

        return loading.result()


def _serve(
    args: argparse.Namespace,
    examiner: "Examiner",
    backend: "Elsewhere | None",
    opens: "Opener",
    reports: Path,
) -> int:
    """Serve the page until Ctrl-C; return the exit code."""
    from morelli.data_pipeline.images import Limits
    from morelli.model.conversation import is_limited
    from morelli.serve.app import Page, Settings, launch
    from morelli.serve.desk import Desk
    from morelli.serve.sessions import Sessions

    settings = Settings(
        limits=Limits(max_bytes=50_000_000),
        waiting=args.waiting,
        limited_chat=is_limited(examiner.checkpoint.validation),
        elsewhere=f"{backend.model} at {backend.host}" if backend else None,
        open_picture=opens.open,
    )
    sessions = Sessions(reports)
    sessions.keep_sweeping()
    page = Page(Desk(examiner, backend), sessions, settings)
    complain(f"the page is at http://{args.host}:{args.port} (Ctrl-C stops it)")
    try:
        launch(page, args.host, args.port, reports, args.open)
    except OSError as error:
        return failed(f"{args.host}:{args.port} cannot be listened on ({error}); choose --port")
    return 0
