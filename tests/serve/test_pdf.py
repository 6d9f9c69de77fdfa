import logging
from collections.abc import Callable

import pytest

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.report import Report, ReportPaths
from morelli.serve.pdf import pdf_of
from morelli.serve.render import Views

try:
    import weasyprint  # noqa: F401
except (ImportError, OSError) as missing:
    pytest.skip(f"WeasyPrint or its Pango library is missing: {missing}", allow_module_level=True)


def test_a_report_is_printed_whole_and_fetches_nothing(
    report_of: Callable[..., Report], picture: Picture, caplog: pytest.LogCaptureFixture
) -> None:
    report = report_of(picture, metadata={"software": "<img src='http://127.0.0.1:9/x'>"})
    record = report.as_json(ReportPaths(map="p/map.png", mask="p/mask.png", instruments={}))
    with caplog.at_level(logging.ERROR, "weasyprint"):
        data = pdf_of(record, Views.of(report))
    assert data is not None
    assert data.startswith(b"%PDF")
    assert data.count(b"/Subtype /Image") >= 3
    assert [line for line in caplog.messages if "Failed" in line] == []
