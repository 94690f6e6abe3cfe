"""The code of `docs/orm.md`, word by word, in a new project."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "orm.md").read_text()

ASK = """
import django
django.setup()
from django.core.management import call_command
call_command("makemigrations", "shop", verbosity=0)
call_command("migrate", verbosity=0)
from django_fastapi.testing import Client
from shop.models import Author, Book, Tag
ann = Author.objects.create(name="Ann")
book = Book.objects.create(title="Django", author=ann, price="9.50", status="published")
Book.objects.create(title="Draft", author=ann, price="1.00")
book.tags.add(Tag.objects.create(name="web"))
django_book = {
    "id": 1, "title": "Django", "price": "9.50", "published": None,
    "author": {"id": 1, "name": "Ann"}, "tags": [{"name": "web"}],
}
with Client() as client:
    def get(path):
        response = client.get(path)
        assert response.status_code == 200, (path, response.text)
        return response.json() if "jsonl" not in path else response.text
    assert get("/books") == [django_book]
    assert get("/books/first") == get("/books/1") == django_book
    assert client.get("/books/7").status_code == 404
    assert get("/authors/1") == {"id": 1, "name": "Ann"}
    page = get("/shop?price_min=5&search=django&ordering=-published&page=1&size=50")
    assert page == {"items": [django_book], "total": 1, "page": 1, "size": 50, "pages": 1}
    assert client.get("/shop?price=5").json()["detail"][0]["loc"] == ["query", "price"]
    assert get("/archive?size=1")["items"] == [django_book]
    assert get("/export")[0] == django_book
    assert len(get("/export.jsonl").splitlines()) == 2
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    def manage(*arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "django", *arguments], cwd=tmp_path, check=True)

    manage("startproject", "project", ".")
    manage("startapp", "shop")
    with (tmp_path / "project" / "settings.py").open("a") as settings:
        settings.write('\nINSTALLED_APPS += ["django_fastapi", "shop"]\nALLOWED_HOSTS = ["testserver"]\n')
    models, *api = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "shop" / "models.py").write_text(models)
    (tmp_path / "shop" / "api.py").write_text("\n".join(api))
    return tmp_path


def test_the_code_of_the_page_works_as_it_stands(project: Path) -> None:
    environment = {"PYTHONPATH": f"{project}:{ROOT}", "DJANGO_SETTINGS_MODULE": "project.settings"}
    asked = subprocess.run(
        [sys.executable, "-c", ASK], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert asked.returncode == 0, asked.stderr
    [explained] = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert asked.stdout == explained
