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
    html = render_html(record, views, printed=True)
    return bytes(weasyprint.HTML(string=html, url_fetcher=_only_data).write_pdf())


def _only_data(url: str) -> Any:
    """Fetch what is inside the page, and nothing from anywhere else."""
    from weasyprint import default_url_fetcher

    if not url.startswith("data:"):
        raise ValueError(f"a report may not fetch {url[:80]!r}")
    return default_url_fetcher(url)
