import io
from pathlib import Path
from typing import Annotated, Any

import pytest
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from fastapi import FastAPI, Form, UploadFile

from django_fastapi.exceptions import Conflict
from django_fastapi.orm import FileLimits, ModelSchema
from django_fastapi.testing import Client
from tests.project.workshop.models import Drawing


class DrawingIn(ModelSchema):
    sheet: Annotated[UploadFile | None, FileLimits(max_size=100, types=["text/plain"])] = None

    class Meta:
        model = Drawing
        fields = ["title"]


class DrawingOut(ModelSchema):
    class Meta:
        model = Drawing
        fields = ["title", "sheet"]


pytestmark = pytest.mark.usefixtures("media")


@pytest.fixture
def client(api: FastAPI, site_client: Client) -> Client:
    @api.post("/drawings", status_code=201)
    def add(data: Annotated[DrawingIn, Form(media_type="multipart/form-data")], fails: int = 0) -> DrawingOut:
        with transaction.atomic():
            made: DrawingOut = data.create()
            if fails:
                raise IntegrityError("later")
        return made

    return site_client


def send(client: Client, title: str, content: bytes = b"lines", kind: str = "text/plain", **options: Any) -> Any:
    return client.post("/drawings", data={"title": title}, files={"sheet": ("a.txt", content, kind)}, **options)


def stored(media: Path) -> list[str]:
    return [path.name for path in media.rglob("*") if path.is_file()]


@pytest.mark.django_db
def test_a_file_is_stored_with_its_object(client: Client, media: Path) -> None:
    answer = send(client, "Plan")
    assert (answer.status_code, answer.json()) == (201, {"title": "Plan", "sheet": "/media/drawings/a.txt"})
    with Drawing.objects.get().sheet.open() as sheet:
        assert sheet.read() == b"lines"
    assert stored(media) == ["a.txt"]
    assert client.post("/drawings", data={"title": "Without"}).json()["sheet"] is None


@pytest.mark.django_db(transaction=True)
def test_a_file_stays_when_the_transaction_commits_and_goes_when_it_does_not(client: Client, media: Path) -> None:
    assert send(client, "Plan").status_code == 201
    assert send(client, "Plan").status_code == 409
    assert stored(media) == ["a.txt"]
    with pytest.raises(IntegrityError):
        send(client, "Later", params={"fails": 1})
    assert stored(media) == ["a.txt"]
    assert Drawing.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_file_goes_when_the_row_is_refused_after_it_was_stored(media: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(Drawing, "validate_unique", lambda *_args, **_kwargs: None)
    Drawing.objects.create(title="Plan")
    body = DrawingIn.model_construct(title="Plan", sheet=UploadFile(io.BytesIO(b"x"), filename="../../evil.txt"))
    with pytest.raises(Conflict):
        body.create()
    assert stored(media) == []


@pytest.mark.django_db
def test_a_name_cannot_lead_out_of_the_storage(media: Path) -> None:
    body = DrawingIn.model_construct(title="Plan", sheet=UploadFile(io.BytesIO(b"x"), filename="../../evil.txt"))
    assert body.create().sheet.name == "drawings/evil.txt"
    assert default_storage.exists("drawings/evil.txt")
    assert stored(media) == ["evil.txt"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("content", "kind", "error"), [(b"x" * 101, "text/plain", "file_too_long"), (b"x", "image/png", "file_type")]
)
def test_a_file_has_limits(client: Client, media: Path, content: bytes, kind: str, error: str) -> None:
    answer = send(client, "Plan", content, kind)
    assert (answer.status_code, answer.json()["detail"][0]["type"]) == (422, error)
    assert answer.json()["detail"][0]["loc"] == ["body", "sheet"]
    assert stored(media) == []


@pytest.mark.django_db
def test_null_takes_a_file_away_and_leaving_it_out_does_not(client: Client, media: Path) -> None:
    del media
    send(client, "Plan")
    drawing = Drawing.objects.get()
    DrawingIn.partial().model_validate({"title": "Other"}).update(drawing)
    assert Drawing.objects.get().sheet
    DrawingIn.partial().model_validate({"sheet": None}).update(drawing)
    assert not Drawing.objects.get().sheet
