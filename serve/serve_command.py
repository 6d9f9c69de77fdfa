"""`morelli serve`: the API, on this machine unless told otherwise."""

import argparse
import ipaddress
import os
from dataclasses import replace
from pathlib import Path

from morelli.serve.arguments import (
    backend_argument,
    count,
    model_arguments,
    number,
    trust_argument,
)
from morelli.serve.console import (
    LoadingError,
    complain,
    connect_backend,
    failed,
    load_examiner,
    one_line,
)

EPILOG = """\
Examples:
  morelli serve
  morelli serve --keys keys.txt --host 0.0.0.0 --port 8000
  curl -F file=@photo.jpg http://127.0.0.1:8000/v1/examine

Routes: POST /v1/examine, POST /v1/chat/completions (as OpenAI's, pictures as data URLs),
GET /health, /metrics (Prometheus), /docs and /openapi.json. Pictures are fetched from addresses
only with --allow-host, from that host alone, and only where it lies on the internet: private
addresses and redirects are refused. An address that others can reach needs --keys: one key of 16
or more characters a line, sent as "Authorization: Bearer KEY". Needs the packages of the `serve`
extra."""


def serve_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `morelli serve`."""
    model_arguments(parser)
    backend_argument(parser)
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)"
    )
    parser.add_argument("--port", type=int, default=8000, help="port (default: 8000)")
    parser.add_argument("--keys", type=Path, metavar="FILE", help="API keys, one a line")
    parser.add_argument(
        "--per-minute",
        type=count,
        default=60,
        metavar="N",
        help="requests a minute for each caller",
    )
    parser.add_argument(
        "--waiting", type=count, default=8, metavar="N", help="requests served or waiting together"
    )
    parser.add_argument(
        "--seconds",
        type=number(0, 3600),
        default=120,
        metavar="S",
        help="longest time for one request",
    )
    trust_argument(parser)
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="HOST[:PORT]",
        help="host that pictures may be fetched from; give it again for another (default: none)",
    )


def run_serve(args: argparse.Namespace) -> int:
    """Load the model and serve the API until Ctrl-C; return the exit code."""
    try:
        import uvicorn

        from morelli.serve.api import Api, ApiSettings
        from morelli.serve.fetch import Fetcher
    except ImportError as error:
        return failed(f"{error.name} is missing; install the extra: pip install 'morelli[serve]'")

    from morelli.serve.counter import read_keys
    from morelli.serve.desk import Desk
    from morelli.serve.opening import OPENED_AT_A_TIME, opener

    try:
        keys = read_keys(args.keys) if args.keys else ()
        if not keys and not _is_loopback(args.host):
            return failed(f"{args.host} can be reached by others; give --keys FILE")
        settings = ApiSettings(keys, args.per_minute, args.waiting, args.seconds)
        if args.allow_host:
            hosts = frozenset(host.lower() for host in args.allow_host)
            settings = replace(settings, fetcher=Fetcher(hosts, settings.limits.max_bytes))
        backend = connect_backend(args)
    except (LoadingError, OSError, ValueError) as error:
        return failed(one_line(error))
    # Begun first, since its processes start while the model is loaded.
    with opener(args.trust_files, OPENED_AT_A_TIME) as opens:
        try:
            examiner = load_examiner(args)
        except LoadingError as error:
            return failed(one_line(error))
        examiner.measure = opens.measure
        about = {"name": examiner.checkpoint.name, "version": examiner.checkpoint.version}
        settings = replace(settings, open_picture=opens.open)
        app = Api(Desk(examiner, backend), settings, about).build()
        complain(f"the API is at http://{args.host}:{args.port} (Ctrl-C stops it)")
        uvicorn.run(
            app,
            host=args.host,
            port=args.port,
            log_level=os.environ.get("MORELLI_LOG_LEVEL", "warning"),
            timeout_keep_alive=15,
            limit_concurrency=256,
            server_header=False,
        )
    return 0


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
