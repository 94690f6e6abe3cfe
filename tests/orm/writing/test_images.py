import io
import struct
import zlib
from pathlib import Path
from typing import Annotated, Any

import pytest
from django.db import IntegrityError, transaction
from fastapi import FastAPI, Form, UploadFile
from PIL import Image

from django_fastapi.exceptions import InvalidInput
from django_fastapi.orm import FileLimits, ModelSchema, create_schema
from django_fastapi.shortcuts import get_object_or_404
from django_fastapi.testing import Client
from tests.project.workshop.models import Picture


class PictureIn(ModelSchema):
    image: Annotated[UploadFile | None, FileLimits(max_size=10_000, types=["image/png", "image/webp"])] = None

    class Meta:
        model = Picture
        fields = ["title"]


class PictureOut(ModelSchema):
    class Meta:
        model = Picture
        fields = ["title", "image", "width", "height"]


class PicturePatch(PictureIn, partial=True):
    pass


pytestmark = pytest.mark.usefixtures("media")


@pytest.fixture
def client(api: FastAPI, site_client: Client) -> Client:
    @api.post("/pictures", status_code=201)
    def add(data: Annotated[PictureIn, Form(media_type="multipart/form-data")], fails: int = 0) -> PictureOut:
        with transaction.atomic():
            made: PictureOut = data.create()
            if fails:
                raise IntegrityError("later")
        return made

    @api.patch("/pictures/{pk}")
    def change(pk: int, data: Annotated[PicturePatch, Form(media_type="multipart/form-data")]) -> PictureOut:
        changed: PictureOut = data.update(get_object_or_404(Picture, pk=pk))
        return changed

    return site_client


def drawn(kind: str = "PNG", size: tuple[int, int] = (4, 3)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "red").save(file, kind)
    return file.getvalue()


def bomb() -> bytes:
    """Return a small PNG that says it is 50,000 pixels wide and as many high."""
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b""))
    parts = (
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def send(client: Client, content: bytes, name: str = "a.png", kind: str = "image/png", **options: Any) -> Any:
    return client.post("/pictures", data={"title": "Plan"}, files={"image": (name, content, kind)}, **options)


def stored(media: Path) -> list[str]:
    return sorted(path.name for path in media.rglob("*") if path.is_file())


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["png", "webp"])
def test_an_image_is_stored_with_its_object_and_its_size(client: Client, media: Path, kind: str) -> None:
    content = drawn(kind)
    answer = send(client, content, f"a.{kind}", f"image/{kind}")
    expected = {"title": "Plan", "image": f"/media/pictures/a.{kind}", "width": 4, "height": 3}
    assert (answer.status_code, answer.json()) == (201, expected)
    picture = Picture.objects.get()
    assert (picture.width, picture.height) == (4, 3)
    with picture.image.open() as image:
        assert image.read() == content
    assert stored(media) == [f"a.{kind}"]
    assert PictureOut.from_orm(picture).model_dump() == expected
    assert [one.model_dump() for one in PictureOut.from_queryset(Picture.objects.all())] == [expected]


@pytest.mark.django_db
def test_an_object_may_have_no_image(client: Client) -> None:
    answer = client.post("/pictures", data={"title": "Without"})
    assert answer.json() == {"title": "Without", "image": None, "width": None, "height": None}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("content", "declared", "error"),
    [
        (b"<script>alert(1)</script>", ("a.png", "image/png"), "invalid_image"),
        (drawn()[:40], ("a.png", "image/png"), "invalid_image"),
        (drawn().replace(b"IDAT", b"IDAX"), ("a.png", "image/png"), "invalid_image"),
        (bomb(), ("a.png", "image/png"), "invalid_image"),
        (b"", ("a.png", "image/png"), "empty"),
        (drawn(), ("a.html", "image/png"), "invalid_extension"),
        (drawn(), (f"{'a' * 100}.png", "image/png"), "max_length"),
        (drawn("GIF"), ("a.png", "image/png"), "file_type"),
        (drawn(), ("a.png", "image/gif"), "file_type"),
        (drawn("BMP", (100, 100)), ("a.png", "image/png"), "file_too_long"),
    ],
    ids=["text", "cut off", "damaged", "bomb", "empty", "name", "long name", "other format", "other type", "long"],
)
def test_what_is_no_image_that_is_wanted_is_refused_at_its_field(
    client: Client, media: Path, content: bytes, declared: tuple[str, str], error: str
) -> None:
    answer = send(client, content, *declared)
    assert answer.status_code == 422, answer.text
    assert [(one["loc"], one["type"]) for one in answer.json()["detail"]] == [(["body", "image"], error)]
    assert "%(" not in answer.text
    assert stored(media) == []
    assert not Picture.objects.exists()


@pytest.mark.django_db
def test_another_format_than_the_limits_name_is_told_with_those(client: Client) -> None:
    error = send(client, drawn("GIF")).json()["detail"][0]
    assert error["msg"] == "The file must be of one of the types image/png, image/webp"
    assert error["ctx"] == {"types": "image/png, image/webp"}


@pytest.mark.django_db
def test_limits_inside_of_a_union_hold_too(media: Path) -> None:
    class Inside(PictureIn):
        image: Annotated[UploadFile, FileLimits(max_size=10_000, types=["image/png"])] | None = None

    sent = UploadFile(io.BytesIO(drawn("GIF")), filename="a.png", size=len(drawn("GIF")))
    with pytest.raises(InvalidInput, match="one of the types image/png"):
        Inside.model_construct(title="Plan", image=sent).create()
    assert stored(media) == []


@pytest.mark.django_db
def test_a_wrong_image_is_told_with_everything_else(client: Client) -> None:
    Picture.objects.create(title="Plan")
    errors = send(client, b"no image").json()["detail"]
    assert [one["loc"] for one in errors] == [["body", "image"], ["body", "title"]]


@pytest.mark.django_db(transaction=True)
def test_an_image_stays_when_the_transaction_commits_and_goes_when_it_does_not(client: Client, media: Path) -> None:
    assert send(client, drawn()).status_code == 201
    assert send(client, drawn()).status_code == 409
    assert stored(media) == ["a.png"]
    with pytest.raises(IntegrityError):
        client.post(
            "/pictures", data={"title": "Later"}, files={"image": ("b.png", drawn(), "image/png")}, params={"fails": 1}
        )
    assert stored(media) == ["a.png"]
    assert Picture.objects.count() == 1


@pytest.mark.django_db
def test_an_image_is_replaced_with_its_size_and_the_old_file_is_left_as_django_leaves_it(
    client: Client, media: Path
) -> None:
    send(client, drawn())
    picture = Picture.objects.get()
    answer = client.patch(f"/pictures/{picture.pk}", files={"image": ("b.png", drawn(size=(6, 5)), "image/png")})
    assert answer.json() == {"title": "Plan", "image": "/media/pictures/b.png", "width": 6, "height": 5}
    picture = Picture.objects.get()
    assert (picture.width, picture.height) == (6, 5)
    assert stored(media) == ["a.png", "b.png"]
    refused = client.patch(f"/pictures/{picture.pk}", files={"image": ("c.png", b"no image", "image/png")})
    assert refused.status_code == 422
    picture.refresh_from_db()
    assert (picture.image.name, picture.width) == ("pictures/b.png", 6)


@pytest.mark.django_db
def test_null_takes_an_image_and_its_size_away(client: Client) -> None:
    send(client, drawn())
    PicturePatch.model_validate({"image": None}).update(Picture.objects.get())
    picture = Picture.objects.get()
    assert (bool(picture.image), picture.width, picture.height) == (False, None, None)


@pytest.mark.django_db
def test_the_size_of_an_image_is_not_the_clients_to_give() -> None:
    schema = create_schema(Picture, fields=["title", "width", "height"])
    assert schema.model_json_schema()["properties"]["width"]["readOnly"] is True
    with pytest.raises(InvalidInput, match="cannot be written"):
        schema.model_validate({"title": "Plan", "width": 5}).create()
