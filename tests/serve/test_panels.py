from collections.abc import Callable
from dataclasses import fields

import pytest

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.instruments import INSTRUMENTS
from morelli.data_pipeline.report import Report
from morelli.data_pipeline.schema import Measurement, Verdict
from morelli.serve import panels
from morelli.serve.downloads import record_of
from morelli.serve.guides import GUIDES, guide_of
from morelli.serve.panels import Panels
from morelli.serve.render import Views


def filled(report: Report) -> Panels:
    return Panels.of(record_of(report), Views.of(report))


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_its_panels(
    report_of: Callable[..., Report], picture: Picture, verdict: Verdict
) -> None:
    report = report_of(picture, verdict)
    shown = filled(report)
    assert f'data-verdict="{verdict}"' in shown.verdict
    assert ('class="layer mask"' in shown.viewer) == (verdict is Verdict.TAMPERED)
    for panel in fields(shown):
        assert getattr(shown, panel.name).strip()


def test_nothing_a_file_says_can_become_markup_or_a_template(
    report_of: Callable[..., Report], picture: Picture
) -> None:
    evil = "<script>x</script>{{constructor}}${alert(1)}"
    shown = filled(report_of(picture, metadata={"software": evil, evil: "y"}))
    for text in (shown.metadata, panels.waiting(evil), panels.refused(evil)):
        assert "<script" not in text
        assert "{" not in text
        assert "$" not in text


def test_content_credentials_are_shown_where_they_were_read(
    report_of: Callable[..., Report], picture: Picture
) -> None:
    assert "were not read" in filled(report_of(picture)).metadata
    read = Measurement(
        "c2pa", 0.0, "signs", (0.0, 0.5), 1.0, "It carries none.", details={"present": False}
    )
    report = report_of(picture)
    shown = filled(report_of(picture, measurements=(*report.measurements, read)))
    assert "It carries none." in shown.metadata
    assert "were not read" not in shown.metadata


def test_reasons_are_buttons_that_name_their_measurement(
    report_of: Callable[..., Report], picture: Picture
) -> None:
    record = record_of(report_of(picture))
    whole = panels.reasons(record, finished=True)
    assert whole.count("<button") == whole.count('class="detail"') == 3
    assert "1 sentence that could not be checked was withheld" in whole
    assert 'aria-busy="true"' in panels.reasons(record | {"rationale": ""}, finished=False)


def test_every_instrument_says_how_to_read_it() -> None:
    assert set(INSTRUMENTS) <= set(GUIDES)
    assert guide_of("something new").look_for
