"""Which keys exist is asked with a statement that is compiled once, where that says the same as Django's own query."""

from typing import Any

import pytest
from django.db.models import Model

from django_fastapi.orm.existence import find_existing
from django_fastapi.orm.statements import get_statements
from tests.databases import ALIAS
from tests.project.workshop.models import Label, Maker, Material, Tool

pytestmark = [pytest.mark.django_db(databases=["default", ALIAS]), pytest.mark.usefixtures("vendor")]


def find(model: type[Model], keys: set[Any]) -> set[Any] | None:
    return find_existing(model, model._meta.pk, keys, ALIAS)


def test_those_that_are_there_are_found_however_many_are_asked_for() -> None:
    makers = [Maker.objects.create(name=str(number)).pk for number in range(9)]
    unknown = max(makers) + 1
    for count in range(1, 10):
        assert find(Maker, {*makers[:count], unknown}) == set(makers[:count])
    assert find(Maker, {unknown}) == set()


def test_few_lengths_are_few_statements() -> None:
    statements = get_statements()
    statements.clear()
    for keys in ({1}, {2}, {1, 2, 3}, {4, 5, 6, 7}):
        find(Maker, keys)
    assert len(statements) == 2


@pytest.mark.parametrize(
    ("model", "keys"),
    [(Maker, set()), (Maker, set(range(257))), (Material, {"oak"}), (Label, {1}), (Maker, {True}), (Maker, {1, "2"})],
    ids=["none", "very many", "text", "a manager of its own", "no number", "some no number"],
)
def test_all_others_are_left_to_django(model: type[Model], keys: set[Any]) -> None:
    assert find(model, keys) is None


def test_a_foreign_key_counts_as_what_it_points_to() -> None:
    maker = Maker.objects.create(name="Forge")
    assert find_existing(Maker, Tool._meta.get_field("maker").target_field, {maker.pk}, ALIAS) == {maker.pk}
