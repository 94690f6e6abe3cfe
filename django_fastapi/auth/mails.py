"""E-mails to users, from templates that a project can replace."""

from collections.abc import Mapping
from typing import Any

from django.core.mail import EmailMessage
from django.template.loader import render_to_string

_DIRECTORY = "django_fastapi/auth"


def send_mail(user: Any, name: str, context: Mapping[str, Any]) -> None:
    """Send an e-mail to a user.

    Args:
        user: The user, who has an e-mail address.
        name: Of the templates `django_fastapi/auth/<name>_subject.txt` and `<name>_email.txt`.
        context: What is in them, beside `user`.
    """
    values = {**context, "user": user}
    subject = " ".join(render_to_string(f"{_DIRECTORY}/{name}_subject.txt", values).split())
    body = render_to_string(f"{_DIRECTORY}/{name}_email.txt", values)
    EmailMessage(subject, body, None, [getattr(user, user.get_email_field_name())]).send()
