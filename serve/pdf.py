"""A report as PDF, by WeasyPrint, from the same template as the page."""

import importlib.util
from typing import Any

from morelli.serve.render import Views, render_html


def pdf_of(record: dict[str, Any], views: Views) -> bytes | None:
    """Return a report as PDF, None where WeasyPrint or the Pango library it needs is missing."""
    if importlib.util.find_spec("weasyprint") is None:
        return None
    try:
        import weasyprint
    except OSError:
        return None
    from weasyprint.urls import URLFetcher

    html = render_html(record, views, printed=True)
    # A report holds all it needs: nothing is fetched from a disk or a network, whatever it says.
    fetcher = URLFetcher(allowed_protocols=["data"])
    return bytes(weasyprint.HTML(string=html, url_fetcher=fetcher).write_pdf())
