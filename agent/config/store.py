"""The table [store] of config.toml: a folder, or with [store.s3] an object store that several hosts share."""

import re
from pathlib import Path
from typing import Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from agent.config.section import Seconds, Section
from agent.errors import DeliveryError
from agent.secret import is_this_machine, read_secret
from dicom_io.errors import StoreError
from dicom_io.s3 import Credentials, S3Settings

_URL: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(\w[\w.-]*(?:/\w[\w.-]*)*))?/?", re.ASCII)
_HTTP: Final = frozenset({"http", "https"})


class S3Section(Section):
    """An object store that speaks S3, in place of the folder; needs `pip install tibabu[s3]`."""

    url: str = Field(
        examples=["s3://tibabu/radiology"],
        description="Bucket, which has to exist, and what the names in it begin with.",
    )
    endpoint: str = Field(
        default="", description="Where the server is, as https://HOST:PORT; empty: Amazon's own. Patient data go there."
    )
    region: str = Field(default="", description="The region; empty: as the environment says.")
    addressing: Literal["auto", "path", "virtual"] = Field(
        default="auto", description="Whether the bucket stands in the path or in the host name of its address."
    )
    access_key_file: Path | None = Field(
        default=None,
        examples=["/run/secrets/s3_access_key"],
        description="A file that holds the access key. Without keys those count that the process's environment, its "
        "user's AWS files or its machine's role give.",
    )
    access_key_variable: str = Field(default="", description="An environment variable that holds it.")
    secret_key_file: Path | None = Field(
        default=None,
        examples=["/run/secrets/s3_secret_key"],
        description="A file that holds the secret key. Both files may be renewed while the agent runs.",
    )
    secret_key_variable: str = Field(default="", description="An environment variable that holds it.")
    ca_file: Path | None = Field(
        default=None,
        examples=["/etc/tibabu/ca.pem"],
        description="Authorities that may have signed the server's certificate, in place of the system's.",
    )
    connection_timeout_seconds: Seconds = Field(default=5, description="Longest wait for a connection.")
    response_timeout_seconds: Seconds = Field(
        default=20, description="Longest time for one request, repetitions included, and for each 8 MiB of an answer."
    )
    cache_folder: Path = Field(
        default=Path("var/cache"),
        description="A folder of this host alone, for Instances that arrive and for copies of stored files; what is in "
        "it may be thrown away. The processes of one host share it.",
    )
    cache_megabytes: int = Field(default=20_000, ge=100, description="How much of it copies may take.")

    @field_validator("url")
    @classmethod
    def _names_a_bucket(cls, value: str) -> str:
        if _URL.fullmatch(value) is None:
            message = "expected s3://BUCKET or s3://BUCKET/NAMES, of letters, digits, dots and dashes"
            raise ValueError(message)
        return value

    @field_validator("endpoint")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        url = urlsplit(value)
        if value and (url.scheme not in _HTTP or not url.hostname or url.username or url.query or url.fragment):
            message = "expected https://HOST:PORT without user and query"
            raise ValueError(message)
        if url.scheme == "http" and not is_this_machine(url.hostname or ""):
            message = "expected https, unless the server is this machine: patient data and signatures would be readable"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _keys_are_two(self) -> Self:
        named = [
            [self.access_key_file is not None, bool(self.access_key_variable)],
            [self.secret_key_file is not None, bool(self.secret_key_variable)],
        ]
        if any(sum(one) > 1 for one in named) or sum(named[0]) != sum(named[1]):
            message = "expected an access key and a secret key, each in a file or in a variable, or neither"
            raise ValueError(message)
        return self

    @property
    def settings(self) -> S3Settings:
        """The bucket as a value; the keys are read when they are needed."""
        bucket, prefix = _URL.fullmatch(self.url).groups("")  # type: ignore[union-attr]  # validated above
        has_keys = self.access_key_file is not None or bool(self.access_key_variable)
        return S3Settings(
            bucket=bucket,
            prefix=f"{prefix}/" if prefix else "",
            endpoint=self.endpoint,
            region=self.region,
            ca_file="" if self.ca_file is None else str(self.ca_file),
            addressing=self.addressing,
            connect_seconds=self.connection_timeout_seconds,
            answer_seconds=self.response_timeout_seconds,
            credentials=self._credentials if has_keys else None,
        )

    def _credentials(self) -> Credentials:
        try:
            access_key = read_secret(self.access_key_file, self.access_key_variable)
            secret_key = read_secret(self.secret_key_file, self.secret_key_variable)
        except DeliveryError as error:
            raise StoreError(str(error)) from None
        return Credentials(access_key.get_secret_value(), secret_key.get_secret_value())


class StoreSection(Section):
    """Where received Instances and rendered reports lie."""

    folder: Path = Field(
        default=Path("var/store"),
        description="Folder of the stored files; a relative one starts at config.toml. Several hosts may share it.",
    )
    minimum_free_megabytes: int = Field(
        default=512,
        ge=0,
        description="With less free space than this, Instances are refused with 0xA700 (out of resources).",
    )
    low_megabytes: int = Field(
        default=2560,
        ge=0,
        description="With less free space than this where the store or an SQLite database lies, people are warned: in "
        "the log, on the page and by [alerts].",
    )
    s3: S3Section | None = None

    @property
    def local_folder(self) -> Path:
        """The folder of this host in which Instances arrive."""
        return self.folder if self.s3 is None else self.s3.cache_folder
