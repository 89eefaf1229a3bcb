"""E-mail over SMTP or Amazon SES: one attempt a call, and an answer for every recipient.

A mailbox cannot be read back, so a doubtful attempt is repeated with the same Message-ID: mail programs show it once.
"""

from __future__ import annotations

import ipaddress
import re
import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.utils import format_datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from opsbot.channels.settings import SecretReference, Settings, pace, printable, unsecret
from opsbot.errors import CloudError, DeliveryError
from opsbot.model.message import Format, Message

Ses = Callable[[str, str, list[str], bytes], str]
"""Region, sender, recipients, the whole message; gives SES's id for it. Raises CloudError or DeliveryError."""

_PORTS = {"starttls": 587, "implicit": 465, "none": 25}


def _address(value: str) -> str:
    if not re.fullmatch(r"[!-?A-~]+@[A-Za-z0-9.\-\[\]:]+", value):
        raise ValueError(f"expected an address such as ops@example.org, got {unsecret(value)}")
    return value


Address = Annotated[str, AfterValidator(_address)]


class EmailSettings(Settings):
    """`tls = "none"` is for loopback; elsewhere `allow_plain = true` must say that it is meant. `ca_file` is a
    certificate to trust besides the system's. `max_per_minute` is for servers that count; 0 is without a limit."""

    kind: Literal["email"]
    via: Literal["smtp", "ses"] = "smtp"
    sender: Annotated[Address, Field(alias="from")]
    to: Annotated[list[Address], Field(min_length=1)]
    host: str = ""
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    user: str = ""
    password: SecretReference = ""
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    allow_plain: bool = False
    ca_file: str = ""
    region: str = ""
    timeout: Annotated[float, Field(gt=0, le=120)] = 20.0
    max_per_minute: Annotated[int, Field(ge=0, le=6000)] = 0

    @model_validator(mode="after")
    def _complete(self) -> EmailSettings:
        if self.via == "ses" and not self.region:
            raise ValueError('region: missing; via = "ses" needs one such as eu-central-1')
        if self.via == "smtp" and not self.host:
            raise ValueError('host: missing; via = "smtp" needs the mail server\'s name')
        if bool(self.user) != bool(self.password):
            raise ValueError("user and password: one without the other")
        if self.via == "smtp" and self.tls == "none" and not (self.allow_plain or _loopback(self.host)):
            raise ValueError(f'tls: "none" to {self.host} would send in clear; use starttls, or set allow_plain = true')
        return self


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refusal:
    address: str
    code: int
    text: str

    @property
    def permanent(self) -> bool:
        return self.code >= 500

    def __str__(self) -> str:
        return f"{self.address} ({self.code} {self.text})"


class EmailChannel:
    """Sends whole MIME messages; what the peer calls one is its Message-ID (SMTP) or SES's own id."""

    format = Format.EMAIL
    readable = False

    def __init__(self, settings: EmailSettings, *, password: str = "", ses: Ses | None = None) -> None:
        self._settings = settings
        self._password = password
        self._ses = ses

    @property
    def to(self) -> str:
        return ", ".join(self._settings.to)

    @property
    def sender(self) -> str:
        return self._settings.sender

    @property
    def pace(self) -> float:
        return pace(self._settings.max_per_minute)

    @property
    def patience(self) -> float:
        return self._settings.timeout

    def send(self, message: Message, thread: str, card: str = "") -> str:
        """One attempt, to those of our recipients that `message.to` names. Raises DeliveryError; with
        `remaining` where some have it now: they must not get it again. `thread` is the Message-ID it answers."""
        recipients = self._recipients(message)
        content, message_id = _complete(message, self._settings.sender, recipients, thread)
        if self._settings.via == "ses":
            return self._send_ses(recipients, content)
        refusals = self._send_smtp(recipients, content)
        if refusals:
            raise _partly(refusals)
        return message_id

    def check(self) -> None:
        """Whether the server lets us in, without sending anything. Raises DeliveryError."""
        if self._settings.via == "smtp":
            with self._talking() as smtp:
                _accepted(smtp.noop(), "NOOP")

    def find(self, message: Message, thread: str = "") -> str | None:
        """Nobody can look into the recipients' mailboxes."""
        return None

    def _recipients(self, message: Message) -> list[str]:
        named = {address.strip() for address in message.to.split(",")}
        return [address for address in self._settings.to if address in named] or list(self._settings.to)

    def _send_ses(self, recipients: list[str], content: bytes) -> str:
        if self._ses is None:
            what = 'via = "ses" needs AWS access'
            raise DeliveryError(what, permanent=True, peer=True, hint="see: opsbot validate --online")
        try:
            return self._ses(self._settings.region, self._settings.sender, recipients, content)
        except CloudError as error:
            raise DeliveryError(
                error.message, permanent=error.permanent, ambiguous=True, hint=error.hint,
                # A right that is missing is missing for every letter; a refused letter is one letter.
                peer=bool(error.action) or not error.permanent,
            ) from error  # fmt: skip

    def _send_smtp(self, recipients: list[str], content: bytes) -> list[_Refusal]:
        """The recipients that were refused while others were taken."""
        with self._talking() as smtp:
            _accepted(
                smtp.mail(self._settings.sender, _options(smtp, content)), f"sender {self._settings.sender}", True
            )
            refusals = list(_refused(smtp, recipients))
            if len(refusals) == len(recipients):
                gone = all(refusal.permanent for refusal in refusals)
                raise DeliveryError(
                    f"every recipient was refused: {_listed(refusals)}", permanent=gone, patient=not gone,
                    hint="correct the addresses in channels.<name>.to" if gone else "",
                )  # fmt: skip
            _hand_over(smtp, content)
            return refusals

    @contextmanager
    def _talking(self) -> Iterator[smtplib.SMTP]:
        """A connection that is encrypted and signed in as the settings ask; all its errors as DeliveryError."""
        where = f"{self._settings.host}:{self._port}"
        try:
            with closing(self._connect()) as smtp:
                self._secure(smtp)
                if self._settings.user:
                    smtp.login(self._settings.user, self._password)
                yield smtp
                # Whatever it answers to our farewell, the letter has been taken: failing now would send it twice.
                with suppress(smtplib.SMTPException, OSError):
                    smtp.quit()
        except ssl.SSLCertVerificationError as error:
            raise _broken(f"{where}: its certificate was refused: {error.verify_message}", _CERTIFICATE) from error
        except ssl.SSLError as error:
            raise _broken(f"{where}: no TLS could be agreed on: {printable(error.reason or error)}", _TLS) from error
        except smtplib.SMTPAuthenticationError as error:
            gone = error.smtp_code >= 500
            raise _broken(f"{where}: sign-in was refused: {_said(error)}", _LOGIN, permanent=gone) from error
        except smtplib.SMTPNotSupportedError as error:
            raise _broken(f"{where}: {printable(error)}", _LOGIN) from error
        except smtplib.SMTPResponseException as error:
            gone = error.smtp_code >= 500
            raise _broken(f"{where}: {_said(error)}", "", permanent=gone) from error
        except (smtplib.SMTPException, OSError) as error:
            raise _broken(
                f"{where}: not reached: {printable(error) or type(error).__name__}", "", permanent=False
            ) from error

    def _connect(self) -> smtplib.SMTP:
        settings = self._settings
        if settings.tls == "implicit":
            return smtplib.SMTP_SSL(settings.host, self._port, timeout=settings.timeout, context=self._trust())
        return smtplib.SMTP(settings.host, self._port, timeout=settings.timeout)

    def _secure(self, smtp: smtplib.SMTP) -> None:
        smtp.ehlo_or_helo_if_needed()
        if self._settings.tls != "starttls":
            return
        if not smtp.has_extn("starttls"):
            # Someone on the way may have removed it; sending on in clear is what they want.
            raise _broken(f"{self._settings.host}:{self._port}: it offers no STARTTLS; nothing was sent", _TLS)
        _accepted(smtp.starttls(context=self._trust()), "STARTTLS")
        smtp.ehlo()

    def _trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._settings.ca_file:
            context.load_verify_locations(self._settings.ca_file)
        return context

    @property
    def _port(self) -> int:
        return self._settings.port or _PORTS[self._settings.tls]


_TLS = 'check channels.<name>.port and .tls ("implicit" for port 465, "starttls" for 587)'
_CERTIFICATE = "check channels.<name>.host; for an own authority set channels.<name>.ca_file"
_LOGIN = "check channels.<name>.user and what channels.<name>.password points to"


def _broken(what: str, hint: str, *, permanent: bool = True) -> DeliveryError:
    return DeliveryError(what, permanent=permanent, hint=hint, peer=True)


def _refused(smtp: smtplib.SMTP, recipients: list[str]) -> Iterator[_Refusal]:
    for address in recipients:
        code, text = smtp.rcpt(address)
        if code not in (250, 251):
            yield _Refusal(address=address, code=code, text=printable(text.decode("utf-8", "replace"), 120))


def _hand_over(smtp: smtplib.SMTP, content: bytes) -> None:
    """DATA. Once the bytes are on their way, only the server's answer says whether it took them."""
    try:
        _accepted(smtp.data(content), "message")
    except smtplib.SMTPDataError as error:
        _accepted((error.smtp_code, error.smtp_error), "message")
    except (smtplib.SMTPServerDisconnected, OSError) as error:
        raise DeliveryError(
            f"the connection broke after the message was sent: {printable(error) or type(error).__name__}",
            permanent=False,
            ambiguous=True,
            peer=True,
        ) from error


def _accepted(answer: tuple[int, bytes | str], what: str, peer: bool = False) -> None:
    code, text = answer
    if not 200 <= code < 300:
        said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        # 421 is the server itself going down; other 4xx want this letter back in minutes (RFC 5321 4.5.4.1, RFC 6647).
        going = code == 421
        raise DeliveryError(
            f"the {what} was refused: {code} {printable(said)}",
            permanent=code >= 500,
            patient=400 <= code < 500 and not going,
            peer=going or (peer and code >= 500),
        )


def _said(error: smtplib.SMTPResponseException) -> str:
    text = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
    return f"{error.smtp_code} {printable(text)}"


def _partly(refusals: list[_Refusal]) -> DeliveryError:
    return DeliveryError(
        f"refused: {_listed(refusals)}",
        permanent=any(refusal.permanent for refusal in refusals),
        patient=True,
        remaining=", ".join(refusal.address for refusal in refusals if not refusal.permanent),
        hint="correct the addresses in channels.<name>.to",
    )


def _listed(refusals: list[_Refusal]) -> str:
    return ", ".join(map(str, refusals))


def _options(smtp: smtplib.SMTP, content: bytes) -> list[str]:
    return ["body=8bitmime"] if not content.isascii() and smtp.has_extn("8bitmime") else []


def _complete(message: Message, sender: str, recipients: list[str], thread: str) -> tuple[bytes, str]:
    """The bytes for the wire and their Message-ID. A message that has all its headers is not touched, so that a retry
    is the same; small notices of the outbox come without them, and what answers another says so."""
    parsed: Any = message_from_bytes(message.body, policy=policy.SMTP)
    missing = {
        "From": sender,
        "To": ", ".join(recipients),
        "Date": format_datetime(message.created_at),
        "Message-ID": f"<{re.sub(r'[^A-Za-z0-9.-]', '-', message.id)}@{sender.rpartition('@')[2]}>",
    } | ({"In-Reply-To": thread, "References": thread} if re.fullmatch(r"<[!-~]{3,250}>", thread) else {})
    absent = [f"{name}: {value}\r\n".encode() for name, value in missing.items() if name not in parsed]
    content = re.sub(rb"\r\n|\r|\n", b"\r\n", message.body)
    return b"".join(absent) + content, str(parsed["Message-ID"] or missing["Message-ID"])
