"""A process that puts so many bytes into a store and kills itself at a step: `before` or `after` a call of it."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from dicom_io.cache import Cache
from dicom_io.folder_store import FolderStore
from dicom_io.object_store import ObjectStore
from dicom_io.s3 import Bucket, Credentials, S3Settings
from dicom_io.store import Store

place, size, step = json.loads(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
when, wanted, number = step.split()
counted = 0


def at(moment: str, name: str) -> None:
    global counted  # noqa: PLW0603 - a script
    if (moment, name) == (when, wanted):
        counted += 1
        if counted == int(number):
            os.kill(os.getpid(), signal.SIGKILL)


def watch(original: Any, name: str) -> Any:
    def call(*arguments: Any, **more: Any) -> Any:
        at("before", name)
        done = original(*arguments, **more)
        at("after", name)
        return done

    return call


def store() -> Store:
    if "folder" in place:
        made = FolderStore(Path(place["folder"]))
        for name in ("write", "fsync", "rename"):
            setattr(os, name, watch(getattr(os, name), name))
        return made
    original = Bucket._call

    def call(self: Any, method: str, **arguments: Any) -> Any:
        return watch(original, method)(self, method, **arguments)

    Bucket._call = call
    settings = S3Settings(
        bucket=place["bucket"],
        prefix="site/",
        endpoint=place["endpoint"],
        region="us-east-1",
        credentials=lambda: Credentials("key", "secret"),
    )
    return ObjectStore(settings, Cache(Path(place["cache"]), limit=1 << 30, reserve=0))


store().put(bytes(size))
