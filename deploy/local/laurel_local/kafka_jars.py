"""Apache Kafka's jars, fetched once from Maven Central into a cache outside the checkout."""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

KAFKA_VERSION = "4.4.0"
JAVA_NEEDED = 17
DOWNLOAD_SECONDS = 300.0
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies"
POM = Path(__file__).with_name("kafka-pom.xml")


class Unavailable(Exception):  # noqa: N818 - a state of the machine, not a fault
    """Apache Kafka cannot be had here; the message is one sentence that says why."""


def default_cache() -> Path:
    """`$LAUREL_CACHE`, else `laurel` in the user's cache folder."""
    if chosen := os.environ.get("LAUREL_CACHE"):
        return Path(chosen)
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared) / "laurel"
    return Path.home() / ".cache" / "laurel"


def java() -> str:
    """The java command: that of `$JAVA_HOME`, else the one on the path."""
    if home := os.environ.get("JAVA_HOME"):
        return str(Path(home) / "bin" / "java")
    return "java"


def obtain_kafka(cache: Path | None = None) -> Path:
    """The folder with Kafka's jars, downloaded on first use; raises Unavailable."""
    cache = cache or default_cache()
    _check_java()
    jars = cache / f"kafka-{KAFKA_VERSION}"
    if jars.is_dir():
        return jars
    if shutil.which("mvn") is None:
        raise Unavailable(f"Apache Kafka {KAFKA_VERSION} needs Maven (the command mvn) to be downloaded.")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one download, however many tests start at once
        if not jars.is_dir():
            _download(jars)
    return jars


def _check_java() -> None:
    try:
        answer = subprocess.run([java(), "-version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"Apache Kafka {KAFKA_VERSION} needs Java {JAVA_NEEDED}, and none runs here.") from error
    found = re.search(r'version "(\d+)', answer.stderr)
    if found is None or int(found[1]) < JAVA_NEEDED:
        first_line = answer.stderr.partition("\n")[0]
        raise Unavailable(f"Apache Kafka {KAFKA_VERSION} needs Java {JAVA_NEEDED}; here is {first_line}.")


def _download(jars: Path) -> None:
    # Into a folder beside it and renamed at the end, so that the final name never stands for half of them.
    with tempfile.TemporaryDirectory(dir=jars.parent, prefix=".kafka-") as temporary:
        target = Path(temporary) / "jars"
        pom = shutil.copy(POM, temporary)  # Maven wants to write beside the file it reads
        command = ["mvn", "-q", "-B", "-f", str(pom), PLUGIN]
        options = [
            f"-Dkafka.version={KAFKA_VERSION}",
            f"-DoutputDirectory={target}",
            "-DincludeScope=runtime",
        ]
        try:
            subprocess.run(
                [*command, *options],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=DOWNLOAD_SECONDS,
                check=True,
            )
        except subprocess.TimeoutExpired as error:
            raise Unavailable(
                f"Maven Central did not deliver Apache Kafka {KAFKA_VERSION} within {DOWNLOAD_SECONDS:.0f} s."
            ) from error
        except (OSError, subprocess.CalledProcessError) as error:
            raise Unavailable(
                f"Apache Kafka {KAFKA_VERSION} could not be downloaded from Maven Central: {_reason(error)}"
            ) from error
        target.rename(jars)


def _reason(error: OSError | subprocess.CalledProcessError) -> str:
    if isinstance(error, OSError):
        return str(error)
    said = (line.partition("[ERROR] ")[2].strip() for line in str(error.stdout).splitlines())
    return next(filter(None, said), f"mvn ended with code {error.returncode}.")
