"""`python -m dev.openapi_lint`: both services' OpenAPI documents, checked by Redocly's linter.

The documents are written by the services themselves, without a database and without a server.
"""

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dev.config.environments import environment
from dev.config.settings import ROOT
from dev.errors import LauncherError
from dev.processes.supervise import run
from dev.programs.node import npm_install, with_node
from dev.screen import refuse

# It has no dependencies, so its version pins everything.
PACKAGE = "@redocly/cli@2.77.0"
CONFIG = ROOT / "dev" / "redocly.yaml"

# Asks the application, as a client does.
_WRITE_AUTH_DOCUMENTS = """
import asyncio, json, sys
from pathlib import Path
from httpx import ASGITransport, AsyncClient
from auth_service.app import application

async def write(folder: Path) -> None:
    transport = ASGITransport(application())
    async with AsyncClient(transport=transport, base_url="http://auth-service") as client:
        for path in ("/api/token/openapi.json", "/internal/openapi.json"):
            answer = await client.get(path)
            document = json.dumps(answer.raise_for_status().json(), indent=2)
            (folder / f"auth-service{path.replace('/', '-')}").write_text(document)

asyncio.run(write(Path(sys.argv[1])))
"""


def write_documents(folder: Path) -> list[Path]:
    """Write every OpenAPI document of both services into a folder.

    Raises:
        ComponentFailed: A service cannot describe itself.
    """
    with ThreadPoolExecutor() as pool:
        for written in [pool.submit(_auth, folder), pool.submit(_billing, folder)]:
            written.result()
    return sorted(folder.glob("*.json"))


def _auth(folder: Path) -> None:
    cwd = ROOT / "auth-service"
    own = {
        "ENVIRONMENT": "local",
        "AUTH_DATABASE_URL": "postgresql://lint@127.0.0.1/lint",
        "KEYS_DIR": str(folder / "keys"),
    }
    env = environment(os.environ) | own
    log = folder / "auth-service.log"
    program, python = cwd / ".venv/bin/auth-service", cwd / ".venv/bin/python"
    run("auth-service keys init", [str(program), "keys", "init"], cwd=cwd, env=env, log=log)
    write = [str(python), "-c", _WRITE_AUTH_DOCUMENTS, str(folder)]
    run("auth-service's OpenAPI", write, cwd=cwd, env=env, log=log)


def _billing(folder: Path) -> None:
    cwd = ROOT / "billing-service"
    own = {
        "ENVIRONMENT": "local",
        "BILLING_DATABASE_URL": "postgresql://lint@127.0.0.1/lint",
    }
    env = environment(os.environ) | own
    write = [str(cwd / ".venv/bin/python"), "manage.py", "spectacular", "--format", "openapi-json"]
    write += ["--fail-on-warn", "--file", str(folder / "billing-service-openapi.json")]
    run("billing-service's OpenAPI", write, cwd=cwd, env=env, log=folder / "billing-service.log")


def lint(documents: list[Path]) -> int:
    """Lint documents, print what is wrong with them, and return the linter's exit status.

    Raises:
        ToolMissing: The linter cannot be installed.
    """
    redocly = npm_install(ROOT / "dev/.venv/node/redocly", PACKAGE) / "node_modules/.bin/redocly"
    names = [document.name for document in documents]
    quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    result = subprocess.run(
        [redocly, "lint", f"--config={CONFIG}", "--format=stylish", *names],
        cwd=documents[0].parent,
        env=with_node(environment(os.environ)) | quiet,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        sys.stdout.write(result.stdout or result.stderr)
    return result.returncode


def main() -> int:
    """Lint every document.

    Returns:
        0 when all are good, else 1.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:
            documents = write_documents(Path(folder))
            status = lint(documents)
    except LauncherError as error:
        refuse(error)
        return error.status
    if status == 0:
        sys.stdout.write(f"{len(documents)} OpenAPI documents: nothing to report.\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
