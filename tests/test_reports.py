import logging

import pytest

from django_fastapi.reports import report, report_answer, report_task

SCOPE = {"type": "http", "method": "GET", "path": "/here", "headers": [], "query_string": b""}


def broken() -> ValueError:
    try:
        int("broken")
    except ValueError as error:
        return error


def test_without_a_console_handler_the_console_has_it_all_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("django.request")
    monkeypatch.setattr(logger, "handlers", [logging.NullHandler()])
    monkeypatch.setattr(logger, "propagate", False)
    report(broken(), {**SCOPE})
    printed = capsys.readouterr().err
    assert printed.count("ValueError: invalid literal") == 1
    assert "Traceback" in printed
    assert printed.startswith("Internal Server Error: GET /here (request ")


def test_with_a_console_handler_it_is_printed_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("django.request")
    monkeypatch.setattr(logger, "handlers", [logging.StreamHandler()])
    monkeypatch.setattr(logger, "propagate", False)
    report(broken(), {**SCOPE})
    assert capsys.readouterr().err.count("ValueError: invalid literal") == 1


@pytest.mark.parametrize("write", [report, report_task])
def test_a_request_that_django_cannot_read_is_reported_without_it(
    caplog: pytest.LogCaptureFixture, write: object
) -> None:
    assert callable(write)
    write(broken(), {**SCOPE, "query_string": b"\xff"})
    [record] = caplog.records
    assert record.request is None  # type: ignore[attr-defined]
    assert "/here" in record.getMessage()


def test_a_status_that_django_does_not_know_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    report_answer(999, {**SCOPE})
    [record] = caplog.records
    assert (record.levelname, record.status_code) == ("ERROR", 999)  # type: ignore[attr-defined]
