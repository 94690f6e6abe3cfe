"""Django's technical page of an error, with what FastAPI knows of it."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final, cast

from django.http import HttpRequest
from django.template.defaultfilters import pprint
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter, get_exception_reporter_class

from .failures import cause_of, chain_of, is_noise, is_plumbing, members_of, text_of
from .masking import scrub, strict
from .panels import Panel
from .rendering import TEMPLATES, render

_LONGEST: Final = 4096  # of a variable, as on Django's page

# Before or after what of Django's page a part goes. A page of the project's own may lack these places.
_PLACES: Final = (
    ("style.html", "</head>", ""),
    ("findings.html", "", '<main id="info">'),
    ("fold.html", '<div id="browserTraceback">', ""),
    ("request.html", '<div id="requestinfo">', ""),
)
# What a request can have put its secrets in; not paths and names of the project's own code.
_SCRUBBED: Final = frozenset(
    {
        "exception_notes",
        "exception_value",
        "filtered_POST_items",
        "request_insecure_uri",
        "request_meta",
        "template_info",
        "unicode_hint",
        "user_str",
    }
)


class TechnicalReporter(ExceptionReporter):
    """Django's reporter, for an error in a request of FastAPI's.

    The frames of plumbing are folded, and secrets of the request are masked wherever they turn up.

    Attributes:
        panel: The request.
        explanation: What `explain` returned of the exception.
    """

    panel: Panel
    explanation: Mapping[str, Any]

    @property
    def text_template_path(self) -> Path:
        """The template of the text: one that ends with the traceback, for a terminal shows the end."""
        return TEMPLATES / "error.txt"

    def get_exception_traceback_frames(self, exc_value: Any, tb: Any) -> Iterator[dict[str, Any]]:
        """Yield the frames of one exception, those to fold marked; where it was raised is not."""
        frames = list(cast("Iterable[dict[str, Any]]", super().get_exception_traceback_frames(exc_value, tb)))
        is_handled = id(exc_value) in self._handled
        for number, frame in enumerate(frames, start=1):
            is_inside = number < len(frames) and frame["tb"] is not None and is_plumbing(frame["tb"].tb_frame)
            if is_handled or is_inside:
                frame["type"] = "plumbing"
            if id(frame["exc_cause"]) in self._handled:
                frame["exc_cause"] = None
        yield from frames

    def get_traceback_data(self) -> dict[str, Any]:
        """Return what the templates show."""
        return self._data

    @cached_property
    def _data(self) -> dict[str, Any]:
        # Kept: it takes a while, it may ask the database for the user, and both page and parts want it.
        data = super().get_traceback_data()
        secrets = self.panel.secrets
        value = data.get("exception_value")
        if isinstance(value, BaseException):  # from Django 6.1 on: its template makes a text of it
            data["exception_value"] = text_of(value)
        clean = {name: scrub(value, secrets) if name in _SCRUBBED else value for name, value in data.items()}
        clean["frames"] = [self._scrub_frame(frame) for frame in data["frames"]]
        clean["request_GET_items"] = next((rows for name, rows in self.panel.groups if name == "Query"), ())
        clean |= {
            "panel": self.panel,
            "explanation": self.explanation,
            "cures": [_with_code(cure) for cure in self.explanation.get("hint", {}).get("cures", ())],
            "groups": list(self._groups()),
            "folded": sum(frame["type"] == "plumbing" for frame in data["frames"]),
        }
        return clean

    def get_traceback_html(self) -> SafeString:
        """Return Django's page with the parts of this package in it."""
        page: str = self._without_secrets(super().get_traceback_html())
        context = self.get_traceback_data()
        for name, before, after in _PLACES:
            part = render(name, context)
            place = before or after
            if place in page:
                page = page.replace(place, f"{part}{place}" if before else f"{place}{part}", 1)
            else:
                page += part
        return SafeString(page)

    def _without_secrets(self, page: str) -> str:
        """Return a page without what is secret in the path, which Django's has in its title."""
        path: str = self.request.path_info if self.request is not None else ""
        shown = scrub(path, self.panel.secrets)
        return page if shown == path else page.replace(escape(path), escape(shown))

    @cached_property
    def _handled(self) -> frozenset[int]:
        """The ids of exceptions that libraries have handled by themselves."""
        assert self.exc_value is not None  # it is made for an exception
        causes = ((error, cause_of(error)) for error in chain_of(self.exc_value))
        return frozenset(id(cause) for error, cause in causes if cause is not None and is_noise(error, cause))

    def _groups(self) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Yield the exceptions that are in groups, of which Django's page does not know."""
        assert self.exc_value is not None  # it is made for an exception
        for error in chain_of(self.exc_value):
            for member in members_of(error):
                frames = list(self.get_exception_traceback_frames(member, member.__traceback__))
                for frame in frames:
                    frame["vars"] = [(name, pprint(value)[:_LONGEST]) for name, value in frame.get("vars", ())]
                shown = [frame for frame in frames if frame["tb"] and frame["type"] != "plumbing"]
                title = scrub(f"{type(member).__name__}: {text_of(member)}", self.panel.secrets)
                yield title, [self._scrub_frame(frame) for frame in shown]

    def _scrub_frame(self, frame: dict[str, Any]) -> dict[str, Any]:
        secrets = self.panel.secrets
        cause = frame["exc_cause"]
        clean = {**frame, "vars": scrub(list(frame.get("vars", ())), secrets)}
        if cause is not None and (text := scrub(text_of(cause), secrets)) != text_of(cause):
            clean["exc_cause"] = text
        return clean


def make_reporter(
    error: BaseException, django_request: HttpRequest | None, panel: Panel, explanation: Mapping[str, Any]
) -> ExceptionReporter:
    """Return the reporter of an error: the project's own class, of the settings or the request, as one of this package.

    Args:
        error: The exception.
        django_request: Django's request; None if there can be none.
        panel: What FastAPI knows of the request.
        explanation: What `explain` returned.
    """
    found: Any = get_exception_reporter_class(cast("HttpRequest", django_request))
    exc_info = (type(error), error, error.__traceback__)
    if not issubclass(found, ExceptionReporter):
        return cast("ExceptionReporter", found(django_request, *exc_info))
    path: Any = found.text_template_path
    members = {} if path is vars(ExceptionReporter)["text_template_path"] else {"text_template_path": path}
    kind = cast("type[TechnicalReporter]", type(found.__name__, (TechnicalReporter, found), members))
    reporter = kind(django_request, *exc_info)
    reporter.filter = strict(reporter.filter, panel.secrets)
    reporter.panel, reporter.explanation = panel, explanation
    return reporter


def _with_code(text: str) -> SafeString:
    """Return a text as HTML, with what is between backticks as code."""
    spans = [format_html("<code>{}</code>", part) if odd % 2 else part for odd, part in enumerate(text.split("`"))]
    return format_html_join("", "{}", ((span,) for span in spans))
