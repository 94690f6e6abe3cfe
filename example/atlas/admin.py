"""The admin of the atlas.

No page renders thousands of options: references are chosen by autocompletion, and lists join what they show.
"""

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from atlas.models import City, Continent, Country, Currency, Language


class KeyedAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # Django's class takes no type argument at run time
    """Admin of a model whose primary key people enter: once a row exists, a new key would make a copy of it."""

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str] | tuple[str, ...]:
        """Protect the primary key of an existing row."""
        readonly = super().get_readonly_fields(request, obj)
        return readonly if obj is None else [*readonly, self.opts.pk.name]


class PopulationFilter(admin.SimpleListFilter):
    """Filter cities by their size."""

    title = _("population")
    parameter_name = "min_population"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # noqa: ARG002
        """Offer round numbers."""
        return [(str(10**digits), _("at least %s") % f"{10**digits:,}") for digits in (5, 6, 7)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[City]) -> QuerySet[City]:  # noqa: ARG002
        """Keep the cities of the chosen size; a value that was not offered keeps all."""
        offered = {value for value, _label in self.lookup_choices}
        return queryset.filter(population__gte=self.value()) if self.value() in offered else queryset


@admin.register(Continent)
class ContinentAdmin(KeyedAdmin):
    """Admin of the continents."""

    list_display = ["name", "code", "population"]
    search_fields = ["name", "=code"]


@admin.register(Language)
class LanguageAdmin(KeyedAdmin):
    """Admin of the languages."""

    list_display = ["code", "base", "region"]
    search_fields = ["^code"]


@admin.register(Currency)
class CurrencyAdmin(KeyedAdmin):
    """Admin of the currencies."""

    list_display = ["code", "name"]
    search_fields = ["=code", "name"]


@admin.register(Country)
class CountryAdmin(KeyedAdmin):
    """Admin of the countries."""

    list_display = ["name", "code", "capital", "continent", "currency", "population", "area"]
    list_filter = ["continent"]
    list_select_related = ["continent", "currency"]
    search_fields = ["name", "=code", "=iso3", "capital"]
    autocomplete_fields = ["continent", "currency", "languages", "neighbours"]


@admin.register(City)
class CityAdmin(KeyedAdmin):
    """Admin of the cities."""

    list_display = ["name", "country", "population", "timezone", "latitude", "longitude"]
    list_filter = [PopulationFilter, "country__continent"]
    list_select_related = ["country"]
    search_fields = ["name", "=country__code"]
    autocomplete_fields = ["country"]
