"""The Dockerfiles' rules, and their build stages carried out in a folder, since there may be no engine."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.files import (
    ROOT,
    SERVICES,
    SETTINGS,
    Stage,
    copy_from_context,
    dockerfile,
    environment,
    in_context,
    instruction,
    stages,
)
from laurel_local.processes import free_port

BASE = r"python:3\.11\.\d+-slim-[a-z]+"
INSTALLED = "/opt/laurel"
NOT_HERE = {"UV_NO_CACHE", "PIP_NO_CACHE_DIR"}  # an image should have no cache; a test may use this machine's


@pytest.mark.parametrize("service", SERVICES)
def test_the_base_is_pinned_and_the_same_in_both_stages(service: str) -> None:
    build, final = stages(dockerfile(service))
    image, keyword, name = build[0].words
    assert re.fullmatch(BASE, image)
    assert (keyword, name) == ("AS", "build")
    assert final[0].words == [image]


@pytest.mark.parametrize("service", SERVICES)
def test_the_final_image_has_no_tools_and_no_root(service: str) -> None:
    final = stages(dockerfile(service))[-1]
    uid, gid = instruction(final, "USER").words[0].split(":")
    assert int(uid) >= 10000
    assert int(gid) >= 10000
    order = [each.name for each in final]
    assert order.index("USER") < order.index("CMD")
    assert instruction(final, "COPY").flags == {"from": "build"}
    assert instruction(final, "COPY").words == [INSTALLED, INSTALLED]
    (run,) = (each.rest for each in final if each.name == "RUN")
    assert run.startswith("python -m pip --no-cache-dir uninstall")
    assert {"pip", "setuptools", "wheel"} <= set(run.split())
    assert "install" not in run.split()
    assert instruction(final, "CMD").words == ["python", "-m", service]


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_is_fetched_without_a_hash(service: str) -> None:
    for stage in stages(dockerfile(service)):
        for each in stage:
            assert each.name != "ADD"
            assert "://" not in each.rest or each.name == "HEALTHCHECK"
            for command in re.split(r"&&", each.rest if each.name == "RUN" else ""):
                assert not re.search(r"\b(curl|wget|git|apt-get|apt|sudo)\b", command)
                if " install " in command:
                    local = "--no-deps" in command and "--build-constraints requirements.lock" in command
                    assert local or "--require-hashes" in command, command


@pytest.mark.parametrize("service", SERVICES)
def test_no_secret_is_baked_in(service: str) -> None:
    for stage in stages(dockerfile(service)):
        assert not {name for name in environment(stage) if re.search("KEY|TOKEN|PASSWORD|SECRET", name)}
        assert not any(each.name == "ARG" for each in stage)


def test_the_four_differ_by_name_and_port_alone() -> None:
    plain = set()
    for service in SERVICES:
        port = str(SETTINGS[service].model_fields["http_port"].default)
        plain.add(dockerfile(service).read_text().replace(service, "NAME").replace(port, "PORT"))
    assert len(plain) == 1


@pytest.mark.parametrize("service", SERVICES)
def test_every_source_of_a_copy_is_there(service: str) -> None:
    for each in stages(dockerfile(service))[0]:
        if each.name == "COPY":
            for source in each.words[:-1]:
                assert (ROOT / source).exists(), source
                assert in_context(ROOT / source), source


@pytest.mark.parametrize(
    "path",
    [".env", ".compose/consortium/signing-keys.json", ".git/config", "var/demo/consortium/secrets.json",
     "tests/conftest.py", "deploy/local/laurel_local/demo.py",
     "shared/laurel/__pycache__/x.pyc", "services/issuer/Dockerfile", "uv.lock"],
)  # fmt: skip
def test_a_build_does_not_see(path: str) -> None:
    assert not in_context(ROOT / path)


def carry_out(stage: Stage, directory: Path) -> Path:
    """Carry out a build stage under `directory` instead of `/`; returns where /opt/laurel is then."""
    variables = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    variables["PATH"] = f"{Path(sys.executable).parent}:{variables['PATH']}"
    work = directory
    for each in stage:
        if each.name == "ENV":
            variables |= {name: value for name, value in each.assignments.items() if name not in NOT_HERE}
        elif each.name == "WORKDIR":
            work = directory / each.rest.lstrip("/")
            work.mkdir(parents=True)
        elif each.name == "COPY":
            *sources, target = each.words
            for source in sources:
                into_folder = target.endswith("/") and (ROOT / source).is_file()
                copy_from_context(source, work / target / Path(source).name if into_folder else work / target)
        elif each.name == "RUN":
            command = each.rest.replace(INSTALLED, f"{directory}{INSTALLED}")
            done = subprocess.run(
                ["bash", "-euc", command], cwd=work, env=variables, capture_output=True, text=True, check=False,
                timeout=600,
            )  # fmt: skip
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        else:
            assert each.name == "FROM", each.name
    return Path(f"{directory}{INSTALLED}")


@dataclass(frozen=True)
class Image:
    """What a Dockerfile yields, as far as it can be had without an engine."""

    service: str
    installed: Path
    final: Stage

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a container."""
        own = environment(self.final)
        own["PATH"] = own["PATH"].replace(INSTALLED, str(self.installed)).replace("$PATH", os.defpath)
        return own | more

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command as in a container."""
        return subprocess.run(
            self.resolved(command), env=self.environment(**variables), cwd=self.installed, capture_output=True,
            text=True, check=False, timeout=60,
        )  # fmt: skip

    def resolved(self, command: tuple[str, ...] | list[str]) -> list[str]:
        """The command with its program found as in a container."""
        return [str(self.installed / "bin" / command[0]), *command[1:]]


@pytest.fixture(scope="module", params=SERVICES)
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Each service's image, built once."""
    build, final = stages(dockerfile(request.param))
    return Image(request.param, carry_out(build, tmp_path_factory.mktemp(request.param)), final)


def test_the_service_and_what_it_needs_are_installed_and_nothing_else(image: Image) -> None:
    listed = image.run("python", "-c", "import importlib.metadata as m; print([d.name for d in m.distributions()])")
    found = {re.sub(r"[-_.]+", "-", name).lower() for name in ast.literal_eval(listed.stdout)}
    lock = (ROOT / "services" / image.service / "requirements.lock").read_text()
    locked = set(re.findall(r"^([a-z0-9-]+)==", lock, flags=re.MULTILINE))
    elsewhere = {"async-timeout", "colorama", "exceptiongroup", "tomli", "tzdata"}  # other Pythons and systems

    assert found - {"laurel", f"laurel-{image.service}"} <= locked
    assert locked - found <= elsewhere
    assert not found & development()


def development() -> set[str]:
    """What is for development alone: the dev group, and the local stack's own requirements."""
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text())
    local = tomllib.loads((ROOT / "deploy/local/pyproject.toml").read_text())
    lines = [*workspace["dependency-groups"]["dev"], *local["project"]["dependencies"]]
    names = {re.split(r"[^a-z0-9-]", line.lower())[0] for line in lines} - {"laurel"}
    assert {"secantusdb", "pytest", "hatchling", "uv"} <= names
    return names | {"pip", "setuptools", "wheel", "laurel-local"}


def test_the_application_can_be_imported_from_the_image_alone(image: Image) -> None:
    done = image.run("python", "-c", f"import {image.service}.app as it; print(it.__file__)")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(image.installed))


def test_a_container_without_settings_says_what_it_lacks(image: Image) -> None:
    done = image.run(*instruction(image.final, "CMD").words)
    assert done.returncode == 2
    assert "LAUREL_KAFKA_BOOTSTRAP is not set" in done.stderr


@pytest.fixture
def running(image: Image, tmp_path: Path) -> Iterator[tuple[Image, str]]:
    """A container's process that finds neither broker nor database; and its port."""
    keys = tmp_path / "keys.json"
    keys.write_text("[]")
    keys.chmod(0o600)
    secret = "0123456789abcdef" * 3
    port = str(free_port())
    variables = {
        "LAUREL_HTTP_HOST": "127.0.0.1", "LAUREL_HTTP_PORT": port, "LAUREL_PUBLIC_URL": "http://localhost:8010",
        "LAUREL_KAFKA_BOOTSTRAP": "127.0.0.1:1", "LAUREL_MONGO_URL": "mongodb://127.0.0.1:1",
        "LAUREL_ADMIN_TOKEN": secret, "LAUREL_MASTER_KEY": secret,
        "LAUREL_SIGNING_KEYS_FILE": str(keys), "LAUREL_SMTP_HOST": "mailpit",
        "LAUREL_MAIL_FROM": "Badges <badges@example.org>", "LAUREL_DRAIN_SECONDS": "1",
    }  # fmt: skip
    log = tmp_path / "log"
    command = image.resolved(instruction(image.final, "CMD").words)
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=image.environment(**variables), cwd=image.installed, stdout=output, stderr=output
        )
    yield image, port
    process.terminate()
    try:
        process.wait(30)
    finally:
        process.kill()
        process.wait()


def test_the_image_s_health_check_sees_that_the_service_lives(running: tuple[Image, str]) -> None:
    image, port = running
    check = json.loads(instruction(image.final, "HEALTHCHECK").rest.removeprefix("CMD "))
    deadline = time.monotonic() + 60
    while (done := image.run(*check, LAUREL_HTTP_PORT=port)).returncode and time.monotonic() < deadline:
        time.sleep(0.2)
    assert done.returncode == 0, done.stderr

    not_ready = image.run(*[word.replace("/livez", "/readyz") for word in check], LAUREL_HTTP_PORT=port)
    nobody = image.run(*check, LAUREL_HTTP_PORT="1")
    assert not_ready.returncode == nobody.returncode == 1
    assert "503" in not_ready.stderr
