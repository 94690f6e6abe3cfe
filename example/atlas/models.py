"""The models of the atlas.

Every row has a key of its own in the source (ISO codes, the id of GeoNames), so that key is the primary key: loading
the data again finds its rows, and a foreign key column can be read without a join.
"""

from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from atlas.validators import (
    validate_language_tag,
    validate_pattern,
    validate_three_capitals,
    validate_two_capitals,
)

MAX_LATITUDE = Decimal(90)
MAX_LONGITUDE = Decimal(180)


class Continent(models.Model):
    """One of the seven continents."""

    code = models.CharField(_("code"), max_length=2, primary_key=True, validators=[validate_two_capitals])
    name = models.CharField(_("name"), max_length=50, unique=True)
    population = models.PositiveBigIntegerField(_("population"))

    class Meta:
        ordering = ["name"]
        verbose_name = _("continent")
        verbose_name_plural = _("continents")

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class Language(models.Model):
    """A language as it is spoken somewhere: an IETF tag such as `de`, `de-CH` or `yue`.

    GeoNames names the variant where it knows one, so `de` and `de-CH` are two rows. What they share is `base`, read
    from the tag and not stored a second time; all variants of German are `code="de"` or `code__startswith="de-"`.
    """

    code = models.CharField(_("code"), max_length=6, primary_key=True, validators=[validate_language_tag])

    class Meta:
        ordering = ["code"]
        verbose_name = _("language")
        verbose_name_plural = _("languages")

    def __str__(self) -> str:
        """Return the tag."""
        return self.code

    @property
    def base(self) -> str:
        """The language without the country: `de` of `de-CH`."""
        return self.code.partition("-")[0]

    @property
    def region(self) -> str:
        """The country of the variant: `CH` of `de-CH`, empty for `de`."""
        return self.code.partition("-")[2]


class Currency(models.Model):
    """A currency by its ISO 4217 code. Names repeat: more than twenty currencies are called dollar."""

    code = models.CharField(_("code"), max_length=3, primary_key=True, validators=[validate_three_capitals])
    name = models.CharField(_("name"), max_length=50)

    class Meta:
        ordering = ["code"]
        verbose_name = _("currency")
        verbose_name_plural = _("currencies")

    def __str__(self) -> str:
        """Return the code with the name."""
        return f"{self.code} ({self.name})"


class Country(models.Model):
    """A country or a territory with an ISO 3166-1 code, dissolved ones included.

    The capital is a name: GeoNames does not say which city it is.
    """

    code = models.CharField(_("ISO code"), max_length=2, primary_key=True, validators=[validate_two_capitals])
    iso3 = models.CharField(
        _("ISO code of three letters"), max_length=3, unique=True, validators=[validate_three_capitals]
    )
    numeric = models.PositiveSmallIntegerField(
        _("ISO number"),
        unique=True,
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(999)],
        help_text=_("Kosovo has none."),
    )
    fips = models.CharField(_("FIPS code"), max_length=2, blank=True)
    name = models.CharField(_("name"), max_length=100, unique=True)
    capital = models.CharField(_("capital"), max_length=100, blank=True)
    area = models.PositiveIntegerField(_("area"), help_text=_("In square kilometres."))
    population = models.PositiveIntegerField(_("population"), db_index=True)
    tld = models.CharField(_("top-level domain"), max_length=10, blank=True)
    phone = models.CharField(_("phone prefix"), max_length=20, blank=True)
    postal_code_regex = models.CharField(
        _("pattern of postal codes"),
        max_length=255,
        blank=True,
        validators=[validate_pattern],
    )
    continent = models.ForeignKey(
        Continent,
        on_delete=models.PROTECT,
        related_name="countries",
        verbose_name=_("continent"),
    )
    currency = models.ForeignKey(
        Currency,
        on_delete=models.PROTECT,
        related_name="countries",
        verbose_name=_("currency"),
        null=True,
        blank=True,
    )
    languages = models.ManyToManyField(
        Language,
        related_name="countries",
        verbose_name=_("languages"),
        blank=True,
    )
    neighbours = models.ManyToManyField("self", verbose_name=_("neighbours"), blank=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("country")
        verbose_name_plural = _("countries")

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class City(models.Model):
    """A city: one of at least 15,000 people, or the seat of a region."""

    geoname_id = models.PositiveIntegerField(_("GeoNames id"), primary_key=True)
    name = models.CharField(_("name"), max_length=200, db_index=True)
    country = models.ForeignKey(
        Country,
        on_delete=models.CASCADE,
        related_name="cities",
        verbose_name=_("country"),
    )
    latitude = models.DecimalField(
        _("latitude"),
        max_digits=7,
        decimal_places=5,
        validators=[MinValueValidator(-MAX_LATITUDE), MaxValueValidator(MAX_LATITUDE)],
        help_text=_("In degrees, south is negative."),
    )
    longitude = models.DecimalField(
        _("longitude"),
        max_digits=8,
        decimal_places=5,
        validators=[MinValueValidator(-MAX_LONGITUDE), MaxValueValidator(MAX_LONGITUDE)],
        help_text=_("In degrees, west is negative."),
    )
    population = models.PositiveIntegerField(_("population"))
    timezone = models.CharField(_("time zone"), max_length=50, help_text=_("As in the IANA database: Europe/Zurich."))
    admin1_code = models.CharField(
        _("region code"),
        max_length=20,
        blank=True,
        help_text=_("The first administrative level: a state, a province, a canton."),
    )

    class Meta:
        ordering = ["-population", "geoname_id"]
        verbose_name = _("city")
        verbose_name_plural = _("cities")
        indexes = [
            models.Index(fields=["-population", "geoname_id"], name="atlas_city_population"),
            models.Index(fields=["country", "name"], name="atlas_city_country_name"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(latitude__range=(-MAX_LATITUDE, MAX_LATITUDE)),
                name="atlas_city_latitude",
                violation_error_message=_("The latitude must be between -90 and 90 degrees."),
            ),
            models.CheckConstraint(
                condition=models.Q(longitude__range=(-MAX_LONGITUDE, MAX_LONGITUDE)),
                name="atlas_city_longitude",
                violation_error_message=_("The longitude must be between -180 and 180 degrees."),
            ),
        ]

    def __str__(self) -> str:
        """Return the name with the country's code, which needs no query."""
        return f"{self.name} ({self.country_id})"
