import asyncio
import inspect
from typing import Annotated, Any

import pytest
from django.db.models import Count, F, Model, QuerySet
from django.db.models.functions import Lower
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError

from django_fastapi.exceptions import ConfigurationError
from django_fastapi.orm import OrderBy, Ordering
from django_fastapi.orm.ordering import Term, ordered, reversed_term
from django_fastapi.testing import Client
from tests.project.archive.models import Author, Book, Genre, Profile, Seat


def ask(order_by: Any, ordering: str | None = None) -> tuple[Any, ...]:
    """Return the terms that a client gets."""
    default = inspect.signature(order_by.dependency).parameters["ordering"].default
    return asyncio.run(order_by.dependency(ordering=default if ordering is None else ordering)).terms


@pytest.mark.parametrize(
    ("ordering", "terms"),
    [
        (None, ("title", "-published")),
        ("", ("title", "-published")),
        ("published", ("published",)),
        ("-title", ("-title",)),
        ("-published,title", ("-published", "title")),
        ("title,-title,title", ("title",)),
    ],
)
def test_a_client_asks_for_declared_names_in_either_direction(ordering: str | None, terms: tuple[str, ...]) -> None:
    assert ask(OrderBy("title", "-published"), ordering) == terms


@pytest.mark.parametrize(
    "ordering",
    [
        *["titel", "pk", "id", "author__name", "title__exact", "?", "-", "--title", "+title", " title", "title,"],
        *[",title", "title;published", "Title", "title\0", "\ud800", "title DESC", "x" * 10_000, "title," * 5000],
    ],
)
def test_any_other_name_is_refused(ordering: str) -> None:
    with pytest.raises(RequestValidationError) as caught:
        ask(OrderBy("title", "-published"), ordering)
    [error] = caught.value.errors()
    assert error["loc"] == ("query", "ordering")
    assert error["msg"] == "Input must be some of title, published, each with or without '-', separated by commas"


def test_an_alias_stands_for_a_column_or_an_expression() -> None:
    newest = F("published").desc(nulls_last=True)
    order_by = OrderBy("title", writer="author__name", last="-published", newest=newest)
    assert ask(order_by, "-writer,last") == ("-author__name", "-published")
    assert ask(order_by, "-last") == ("published",)
    assert ask(order_by, "newest") == (newest,)
    [turned] = ask(order_by, "-newest")
    assert (turned.descending, turned.nulls_first) == (False, True)
    assert (newest.descending, newest.nulls_last) == (True, True)
    assert ask(order_by) == ("title",)


def test_the_default_can_be_another_one() -> None:
    assert ask(OrderBy("title", "stock", default=["-stock"])) == ("-stock",)
    assert ask(OrderBy("title", best="-stock", default=["best", "-title"])) == ("-stock", "-title")
    assert ask(OrderBy("title", default=[])) == ()
    with pytest.raises(ConfigurationError, match="`-price` is not declared; title, stock are"):
        OrderBy("title", "stock", default=["-price"])


def test_with_a_model_the_columns_are_checked_at_once() -> None:
    OrderBy("title", "-author__name", model=Book, newest="-published")
    for options in ({"names": ["titel"]}, {"alias": "-titel"}, {"names": ["tags__name"]}):
        with pytest.raises(ConfigurationError, match=r"titel|relation to many"):
            OrderBy(*options.get("names", ["title"]), model=Book, x=str(options.get("alias", "title")))


@pytest.mark.parametrize(
    ("term", "complaint"), [("titel", "did you mean `title`"), ("-tags__name", "relation to many")]
)
def test_otherwise_when_the_order_is_first_applied(term: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        Ordering((term,)).apply(Book.objects.all())


@pytest.mark.parametrize(
    ("terms", "order"),
    [
        ((), ("pk",)),
        (("title",), ("title", "pk")),
        (("-author__name", "title"), ("-author__name", "title", "pk")),
        (("-pk",), ("-pk",)),
        (("id", "title"), ("id", "title")),
        (("author_id",), ("author_id", "pk")),
        (("count",), ("count", "pk")),
        ((F("pk").desc(),), (F("pk").desc(),)),
    ],
)
def test_the_primary_key_ends_every_order(terms: tuple[Term, ...], order: tuple[Term, ...]) -> None:
    assert Ordering(terms).apply(Book.objects.annotate(count=Count("tags"))).query.order_by == order


@pytest.mark.parametrize(
    ("queryset", "order"),
    [
        (Author.objects.all(), ("name", "pk")),
        (Genre.objects.all(), ("-rank", "code")),
        (Genre.objects.order_by("rank"), ("rank", "pk")),
        (Author.objects.order_by(), ("pk",)),
        (Author.objects.reverse(), ("-name", "pk")),
        (Book.objects.order_by("title", F("stock").asc(nulls_last=True)).reverse()[:0], None),
        (Profile.objects.order_by("author"), ("author", "pk")),
        (Profile.objects.order_by("author_id"), ("author_id",)),
        (Seat.objects.order_by("number"), ("number", "pk")),
        (Seat.objects.order_by("number", "-room"), ("number", "-room")),
        (Book.objects.values("title").annotate(count=Count("pk")).order_by("count"), None),
        (Book.objects.order_by("title")[:5], None),
        (Book.objects.order_by("title").union(Book.objects.all()), None),
        (Book.objects.order_by("title").distinct("title"), None),
        (Book.objects.order_by("title").only("title"), ("title", "pk")),
    ],
)
def test_querysets_end_with_the_key_unless_it_would_change_them(
    queryset: QuerySet[Any], order: tuple[str, ...] | None
) -> None:
    result = ordered(queryset)
    assert result is queryset if order is None else result.query.order_by == order


def test_an_expression_is_turned_round_with_its_nulls() -> None:
    turned: Any = reversed_term(F("title").asc(nulls_first=True))
    assert (turned.descending, turned.nulls_last) == (True, True)
    turned = reversed_term(Lower("title"))
    assert (turned.descending, turned.expression) == (True, Lower("title"))
    assert [reversed_term(term) for term in ("a", "-a", "?")] == ["-a", "a", "?"]


@pytest.mark.django_db
def test_the_ordering_is_read_from_the_query(api: FastAPI, site_client: Client) -> None:
    @api.get("/books")
    def books(order: Annotated[Ordering, OrderBy("title", "-stock", writer="author__name")]) -> list[str]:
        return [book.title for book in order.apply(Book.objects.all())]

    ada, bo = (Author.objects.create(name=name) for name in ("Ada", "Bo"))
    Book.objects.create(title="a", stock=1, author=bo)
    Book.objects.create(title="b", stock=1, author=ada)
    Book.objects.create(title="c", stock=2, author=ada)
    assert site_client.get("/books").json() == ["a", "b", "c"]
    assert site_client.get("/books?ordering=-title").json() == ["c", "b", "a"]
    assert site_client.get("/books?ordering=writer,-stock").json() == ["c", "b", "a"]
    assert site_client.get("/books?ordering=stock").json() == ["a", "b", "c"]
    answer = site_client.get("/books?ordering=author__genre__code")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "ordering"]
    [parameter] = api.openapi()["paths"]["/books"]["get"]["parameters"]
    assert (parameter["name"], parameter["schema"]["default"]) == ("ordering", "title,-stock")
    assert "`title`, `stock`, `writer`" in parameter["description"]


def test_an_override_finds_an_equal_dependency() -> None:
    assert OrderBy("title", x="stock").dependency == OrderBy("title", x="stock").dependency
    assert hash(OrderBy("title").dependency) == hash(OrderBy("title").dependency)
    assert OrderBy("title").dependency != OrderBy("-title").dependency


@pytest.mark.parametrize("model", [Author, Book])
def test_no_order_is_the_querysets_own(model: type[Model]) -> None:
    queryset = model._default_manager.order_by("-pk")
    assert Ordering().apply(queryset) is queryset
