"""Secrets that AWS keeps: `ssm:NAME` (a SecureString parameter) and `secretsmanager:NAME`, optionally `NAME#key` of a JSON secret."""

from __future__ import annotations

import orjson

from opsbot.aws.errors import CALL_ERRORS, translate
from opsbot.errors import CloudError


def read(reference: str) -> str:
    """The value behind a reference, with the credentials opsbot itself runs as. Raises CloudError that names the reference alone."""
    scheme, _, name = reference.partition(":")
    try:
        return _parameter(name) if scheme == "ssm" else _secret(name)
    except CALL_ERRORS as error:
        call = "ssm:GetParameter" if scheme == "ssm" else "secretsmanager:GetSecretValue"
        failure = translate(error, call=call)
        raise CloudError(
            f"{reference}: {failure.message}", permanent=failure.permanent, hint=failure.hint, action=failure.action
        ) from error


def _parameter(name: str) -> str:
    import boto3

    answer = boto3.client("ssm").get_parameter(Name=name, WithDecryption=True)
    return str(answer["Parameter"]["Value"])


def _secret(name: str) -> str:
    import boto3

    path, _, key = name.partition("#")
    text = str(boto3.client("secretsmanager").get_secret_value(SecretId=path).get("SecretString", ""))
    return _field(text, key, path) if key else text


def _field(text: str, key: str, path: str) -> str:
    try:
        return str(orjson.loads(text)[key])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        # Nothing may chain to the parser's error: it carries a piece of the secret.
        raise CloudError(
            f"secretsmanager:{path}: expected a JSON object with the key {key!r}", permanent=True
        ) from None
