"""Search the atlas, and keep a list of cities in the session: `/pages/cities`.

Everything a Django view would have is here: templates with context processors, a form with a CSRF token, a message
after the redirect, the session, and the visitor's language. The routes are FastAPI's.
"""

from typing import Annotated

from atlas.models import City
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from fastapi import Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from django_fastapi import APIRouter, api
from django_fastapi.middleware import DjangoMiddleware
from django_fastapi.shortcuts import ObjectOr404, Session, arender, localize, messages, redirect, reverse

FOUND = 12
LISTED = 20
KEY = "cities"

router = APIRouter(
    prefix="/pages",
    include_in_schema=False,
    dependencies=[localize()],
    route_class=DjangoMiddleware.route_class("django.middleware.csrf.CsrfViewMiddleware"),
)

WITHOUT_NUL = r"^[^\x00]*$"
"""PostgreSQL refuses NUL characters in any string."""

TheCity = Annotated[City, Depends(ObjectOr404(City))]
SearchedFor = Annotated[str, Form(max_length=100, pattern=WITHOUT_NUL)]


def find_cities(text: str) -> QuerySet[City]:
    """Return the largest cities whose name contains a text."""
    return City.objects.select_related("country").filter(name__icontains=text)[:FOUND]


@router.get("/cities")
async def search_cities(
    request: Request, session: Session, q: Annotated[str, Query(max_length=100, pattern=WITHOUT_NUL)] = ""
) -> HTMLResponse:
    """Show the form, what was found, and the visitor's list."""
    keys: list[int] = await session.aget(KEY, [])
    listed = City.objects.select_related("country").filter(pk__in=keys)
    return await arender(request, "pages/cities.html", {"q": q, "found": find_cities(q), "listed": listed})


@router.post("/cities/{pk}/keep")
def keep_city(request: Request, session: Session, city: TheCity, q: SearchedFor = "") -> RedirectResponse:
    """Put a city on the list."""
    keys: list[int] = session.get(KEY, [])
    if len(keys) >= LISTED:
        messages.error(request, _("Your list is full."))
    elif city.pk not in keys:
        session[KEY] = [*keys, city.pk]
        messages.success(request, _("%(city)s is on your list now.") % {"city": city.name})
    return redirect(reverse("api:search_cities", query={"q": q}))


@router.post("/cities/{pk}/drop")
async def drop_city(request: Request, session: Session, city: TheCity, q: SearchedFor = "") -> RedirectResponse:
    """Take a city off the list."""
    keys: list[int] = await session.aget(KEY, [])
    await session.aset(KEY, [key for key in keys if key != city.pk])
    messages.info(request, _("%(city)s is off your list.") % {"city": city.name})
    return redirect(reverse("api:search_cities", query={"q": q}))


api.include_router(router)
