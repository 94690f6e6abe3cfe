"""A project's own `asgi.py` that holds the application in Channels' router."""

from channels.routing import ProtocolTypeRouter

from django_fastapi import get_asgi_application

site = get_asgi_application()
application = ProtocolTypeRouter({"http": site, "websocket": site})
