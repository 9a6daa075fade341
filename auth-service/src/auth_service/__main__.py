"""`python -m auth_service`, for images in which the package is not installed."""

from auth_service.cli import main

main()
