"""The templates of this package, rendered by the engine of Django's own error pages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from django.template import Context
from django.utils.safestring import SafeString
from django.views.debug import DEBUG_ENGINE

TEMPLATES: Final = Path(__file__).parent / "templates"


def render(name: str, context: Mapping[str, Any]) -> SafeString:
    """Return a template with a context, escaped; the project's `TEMPLATES` may be what is broken.

    Args:
        name: The name of its file.
        context: What it shows.
    """
    template = DEBUG_ENGINE.from_string((TEMPLATES / name).read_text(encoding="utf-8"))
    return template.render(Context(dict(context), use_l10n=False))
