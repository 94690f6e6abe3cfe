"""Models with the fields and bases of well-known third-party packages."""

from django.db import models
from django_countries.fields import CountryField
from djmoney.models.fields import MoneyField
from mptt.models import MPTTModel, TreeForeignKey
from phonenumber_field.modelfields import PhoneNumberField
from simple_history.models import HistoricalRecords
from taggit.managers import TaggableManager
from timezone_field import TimeZoneField
from treebeard.mp_tree import MP_Node


class Company(models.Model):
    name = models.CharField(max_length=100)
    country = CountryField()
    countries = CountryField(multiple=True, blank=True)
    phone = PhoneNumberField(blank=True)
    zone = TimeZoneField(default="UTC")
    price = MoneyField(max_digits=10, decimal_places=2, default_currency="CHF", default=0)
    tags = TaggableManager()
    history = HistoricalRecords()


class Page(MP_Node):
    name = models.CharField(max_length=100)


class Genre(MPTTModel):
    name = models.CharField(max_length=100)
    parent = TreeForeignKey("self", models.CASCADE, null=True, blank=True, related_name="children")
