"""The only wiring: settings in, a FastAPI application out."""

from fastapi import FastAPI

from auth_service.settings import Settings, load_settings


def application() -> FastAPI:
    """Build the application from the environment, as the server's workers do."""
    return create_app(load_settings())


def create_app(settings: Settings) -> FastAPI:
    """Wire the rooms of the service together."""
    return FastAPI(title=settings.app_name)
