"""The Swagger page, and the assets that the API pages of all services share."""

import re

import httpx
import pytest

from auth_service import __version__

PAGE = "/api/token/docs"
ASSETS = f"{PAGE}/assets"
# What an API page of another service links to.
SHARED = ["docs.css", "docs.js", "favicon-32x32.png", "swagger-ui-bundle.js", "swagger-ui.css"]


def test_the_page_loads_nothing_from_elsewhere(http: httpx.Client) -> None:
    """Behind a firewall the documentation works as well."""
    page = http.get(PAGE)

    assert page.status_code == 200
    assert "https://" not in page.text
    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(assets) == 6
    for asset in assets:
        assert asset.startswith("/api/token/")
        assert http.get(asset).status_code == 200
    assert "/api/token/openapi.json" in page.text


def test_the_page_runs_only_scripts_that_are_files(http: httpx.Client) -> None:
    """Injected markup cannot run: the policy allows no inline script, and the page has none."""
    page = http.get(PAGE)

    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert re.findall(r"<script[^>]*>([^<]*)</script>", page.text) == ["", ""]
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", page.text)


def test_the_page_names_its_language(http: httpx.Client) -> None:
    """A screen reader has to know it to pronounce the text (WCAG 3.1.1)."""
    assert '<html lang="en">' in http.get(PAGE).text


@pytest.mark.parametrize("name", SHARED)
def test_an_asset_of_this_version_is_kept_for_a_year(http: httpx.Client, name: str) -> None:
    """The address names the version, so a new release is a new address."""
    answer = http.get(f"{ASSETS}/{name}", params={"v": __version__})

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("parameters", [{}, {"v": "0.0.1"}])
def test_an_asset_without_this_version_is_asked_for_again(
    http: httpx.Client, parameters: dict[str, str]
) -> None:
    """A page of a service that is updated at another moment never gets stuck with an old file."""
    address = f"{ASSETS}/docs.js"
    answer = http.get(address, params=parameters)
    again = http.get(address, params=parameters, headers={"If-None-Match": answer.headers["ETag"]})

    assert answer.headers["Cache-Control"] == "no-cache"
    assert again.status_code == 304


@pytest.mark.parametrize("name", ["nothing.js", "../docs_page.py", "%2e%2e/__init__.py"])
def test_only_the_assets_are_served(http: httpx.Client, name: str) -> None:
    """Source code beside the assets cannot be read."""
    answer = http.get(f"{ASSETS}/{name}")

    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
