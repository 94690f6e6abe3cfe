from typing import Annotated, Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError

from django_fastapi.exceptions import InvalidInput
from django_fastapi.orm import Missing, ModelSchema, SchemaError
from tests.project.library.models import Author, Book, CheapBook, Novel, Review

from .test_create import told

pytestmark = pytest.mark.django_db


class ReviewIn(ModelSchema):
    id: int | None = None

    class Meta:
        model = Review
        fields = ["text"]


class BookIn(ModelSchema):
    reviews: Annotated[list[ReviewIn], Missing.DELETE] = []

    class Meta:
        model = Book
        fields = ["title", "author"]


class BookPatch(BookIn, partial=True):
    pass


class Adding(ModelSchema):
    reviews: Annotated[list[ReviewIn], Missing.KEEP]

    class Meta:
        model = Book
        fields = []


@pytest.fixture
def author() -> Author:
    return Author.objects.create(name="Ann")


@pytest.fixture
def book(author: Author) -> Book:
    body = {"title": "First", "author": author.pk, "reviews": [{"text": "good"}, {"text": "bad"}]}
    made: Book = BookIn.model_validate(body).create()
    return made


def texts(book: Book) -> list[str]:
    return [one.text for one in Book.objects.get(pk=book.pk).reviews.all()]


def test_objects_of_a_generic_relation_are_made_with_what_they_refer_to(book: Book) -> None:
    assert texts(book) == ["good", "bad"]
    review = Review.objects.first()
    assert review is not None
    assert (review.content_type, review.object_id) == (ContentType.objects.get_for_model(Book), book.pk)
    assert review.subject == book


def test_they_are_changed_by_key_and_the_rule_says_what_becomes_of_others(book: Book) -> None:
    good = book.reviews.get(text="good")
    Review.objects.create(subject=book.author, text="of a person")
    BookPatch.model_validate({"reviews": [{"id": good.pk, "text": "better"}, {"text": "new"}]}).update(book)
    assert texts(book) == ["better", "new"]
    assert book.reviews.get(text="better").pk == good.pk
    Adding.model_validate({"reviews": [{"text": "more"}]}).update(book)
    assert texts(book) == ["better", "new", "more"]
    BookPatch.model_validate({"reviews": []}).update(book)
    assert [one.text for one in Review.objects.all()] == ["of a person"]


def test_a_key_finds_only_what_refers_to_the_object(book: Book, author: Author) -> None:
    other = Book.objects.create(title="Second", author=author)
    # The same number, but a key of another table.
    foreign = Review.objects.create(content_type=ContentType.objects.get_for_model(Author), object_id=other.pk)
    for key in (foreign.pk, book.reviews.all()[0].pk):
        with pytest.raises(InvalidInput) as refused:
            BookPatch.model_validate({"reviews": [{"id": key, "text": "stolen"}]}).update(other)
        assert told(refused) == [(("body", "reviews", 0, "id"), "does_not_exist")]
    assert not Review.objects.filter(text="stolen").exists()


def test_faults_say_where_and_nothing_is_left(author: Author) -> None:
    body = {"title": "First", "author": author.pk + 1, "reviews": [{"text": "good"}, {"id": 5, "text": "bad"}]}
    with pytest.raises(InvalidInput) as refused:
        BookIn.model_validate(body).create()
    assert sorted(told(refused), key=str) == [
        (("body", "author"), "does_not_exist"),
        (("body", "reviews", 1, "id"), "does_not_exist"),
    ]
    assert (Book.objects.count(), Review.objects.count()) == (0, 0)


class NovelIn(ModelSchema):
    reviews: Annotated[list[ReviewIn], Missing.KEEP]

    class Meta:
        model = Novel
        fields = ["title", "author", "genre"]


class CheapBookIn(ModelSchema):
    reviews: Annotated[list[ReviewIn], Missing.KEEP]

    class Meta:
        model = CheapBook
        fields = ["title", "author"]


@pytest.mark.parametrize(("schema", "stands_for"), [(NovelIn, Novel), (CheapBookIn, Book)])
def test_the_content_type_is_the_one_that_django_reads_by(author: Author, schema: Any, stands_for: Any) -> None:
    body = {"title": "First", "author": author.pk, "reviews": [{"text": "good"}]}
    made = schema.model_validate(body | ({"genre": "crime"} if schema is NovelIn else {})).create()
    assert [one.text for one in made.reviews.all()] == ["good"]
    assert Review.objects.get().content_type.model_class() is stands_for


def test_what_cannot_be_is_an_error_that_names_the_cure() -> None:
    class Detaching(ModelSchema):
        reviews: Annotated[list[ReviewIn], Missing.DETACH]

        class Meta:
            model = Book
            fields = []

    with pytest.raises(SchemaError, match=r"`Detaching.reviews` cannot detach .* Take DELETE"):
        Detaching.model_validate({"reviews": []}).create()

    class Forward(ModelSchema):
        subject: BookIn

        class Meta:
            model = Review
            fields = ["text"]

    with pytest.raises(SchemaError, match=r"`Forward.subject` .* `content_type` and `object_id`"):
        Forward.model_construct().create()


def test_objects_that_refer_to_a_new_one_are_cleaned_by_their_model(
    author: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clean(review: Review) -> None:
        del review
        raise ValidationError({"text": ValidationError("Too kind.", code="kind")})

    monkeypatch.setattr(Review, "clean", clean)
    with pytest.raises(InvalidInput) as refused:
        BookIn.model_validate({"title": "x", "author": author.pk, "reviews": [{"text": "good"}]}).create()
    assert told(refused) == [(("body", "reviews", 0, "text"), "kind")]
