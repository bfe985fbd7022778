"""A server on a free port that speaks S3, and its buckets. boto3 and moto are imported when needed: they are large."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

KEYS = {"access_key": "test", "secret_key": "test", "region_name": "us-east-1"}


@contextmanager
def s3_server() -> Iterator[str]:
    """Run the server; yield its URL."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def _client(options: dict[str, Any]) -> Any:
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=options["endpoint_url"],
        aws_access_key_id=options["access_key"],
        aws_secret_access_key=options["secret_key"],
        region_name=options["region_name"],
    )


def new_bucket(url: str) -> dict[str, Any]:
    """Create a bucket; return the options of a storage that uses it."""
    options = {**KEYS, "endpoint_url": url, "bucket_name": f"videos-{uuid.uuid4().hex}"}
    client = _client(options)
    client.create_bucket(Bucket=options["bucket_name"])
    client.close()
    return options


def contents(options: dict[str, Any]) -> dict[str, bytes]:
    """Return all objects of a bucket."""
    client, name = _client(options), options["bucket_name"]
    keys = [each["Key"] for each in client.list_objects_v2(Bucket=name).get("Contents", [])]
    found = {key: client.get_object(Bucket=name, Key=key)["Body"].read() for key in keys}
    client.close()
    return found
