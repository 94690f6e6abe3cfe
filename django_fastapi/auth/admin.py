"""The admin's pages for API keys and families of refresh tokens: to look at, and to end them."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .models import APIKey, RefreshFamily

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin  # without django-stubs it takes no type


class _LookOnly(_ModelAdmin):
    """Rows that code makes: a person can look at them, end them and delete them."""

    list_select_related: ClassVar[Any] = ("user",)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 (Django's signature)
        """Say no: nobody could be told the secret of what the admin makes."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # noqa: ARG002 (the same)
        """Return all fields but those that are left out: Django would show these for all that."""
        return [field.name for field in self.opts.fields if field.name not in (self.exclude or ())]


@admin.register(APIKey)
class APIKeyAdmin(_LookOnly):
    """API keys without what is secret."""

    list_display: Any = ("name", "prefix", "user", "created_at", "expires_at", "last_used_at", "revoked_at")
    list_filter: ClassVar[Any] = ("revoked_at", "expires_at")
    search_fields: ClassVar[Any] = ("name", "prefix")
    exclude: ClassVar[Any] = ("digest", "stamp")
    actions: Any = ("revoke",)

    @admin.action(description=_("Revoke the selected API keys"), permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[APIKey]) -> None:
        """Have the keys refused from now on."""
        count = queryset.filter(revoked_at=None).update(revoked_at=timezone.now())
        self.message_user(request, _("Revoked: %(count)s") % {"count": count})


@admin.register(RefreshFamily)
class RefreshFamilyAdmin(_LookOnly):
    """Families of refresh tokens: who is logged in by token."""

    list_display: Any = ("id", "user", "created_at", "rotated_at", "expires_at", "ended_at")
    list_filter: ClassVar[Any] = ("ended_at",)
    exclude: ClassVar[Any] = ("current", "previous")
    actions: Any = ("end",)

    @admin.action(description=_("End the selected families"), permissions=["change"])
    def end(self, request: HttpRequest, queryset: QuerySet[RefreshFamily]) -> None:
        """Have the refresh tokens refused from now on."""
        count = queryset.filter(ended_at=None).update(ended_at=timezone.now())
        self.message_user(request, _("Ended: %(count)s") % {"count": count})
