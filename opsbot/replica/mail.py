"""A mail server on loopback: takes letters over real SMTP, keeps them, and misbehaves on request."""

from __future__ import annotations

import asyncio
import socket
import ssl
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One letter as it lies in the sink; `content` are the bytes that came over the wire."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes

    @property
    def parsed(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=policy.default)

    @property
    def message_id(self) -> str:
        return str(self.parsed["Message-ID"])


@dataclass(slots=True, kw_only=True)
class Moods:
    """How the sink misbehaves; may be changed while it runs.

    `refusals` answers RCPT for an address; `greylist` refuses each sender and recipient that many times with 451;
    `at_data` answers the end of DATA so, that many times; `drops` accepts a letter and hangs up without saying so;
    `at_quit` answers QUIT.
    """

    refusals: dict[str, str] = field(default_factory=dict)
    greylist: int = 0
    at_data: list[str] = field(default_factory=list)
    drops: int = 0
    at_quit: str = "221 bye"


class Mail:
    """The sink: `messages` in order of arrival; `moods` says how it misbehaves."""

    def __init__(self, login: tuple[str, str] | None, moods: Moods) -> None:
        self.messages: list[Letter] = []
        self.moods = moods
        self._login = login
        self._seen: Counter[tuple[str, str]] = Counter()

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any
    ) -> AuthResult:
        expected = LoginPassword(*(part.encode() for part in self._login or ("", "")))
        good = self._login is not None and given == expected
        # Not handled: the server itself then says 535.
        return AuthResult(success=good, handled=good)

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.moods.refusals:
            return self.moods.refusals[address]
        pair = (envelope.mail_from or "", address)
        if self._seen[pair] < self.moods.greylist:
            self._seen[pair] += 1
            return "451 4.7.1 greylisted, try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.moods.at_data:
            return self.moods.at_data.pop(0)
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        letter = Letter(sender=envelope.mail_from or "", recipients=tuple(envelope.rcpt_tos), content=content)
        self.messages.append(letter)
        if self.moods.drops:
            self.moods.drops -= 1
            _hang_up(server)
        return "250 OK"

    async def handle_QUIT(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        return self.moods.at_quit


def _hang_up(server: SMTP) -> None:
    transport = server.transport
    if isinstance(transport, asyncio.Transport):
        transport.abort()


class _Controller(Controller):
    """Serves a socket that is bound already, so that a free port cannot be lost between finding and binding it."""

    def __init__(self, mail: Mail, listening: socket.socket, **settings: Any) -> None:
        self._listening = listening
        super().__init__(mail, hostname="127.0.0.1", port=listening.getsockname()[1], **settings)

    def factory(self) -> SMTP:
        with warnings.catch_warnings():
            # Sign-in without TLS is what some servers do, and what a client must be tested against.
            warnings.filterwarnings("ignore", "Requiring AUTH while not requiring TLS", UserWarning)
            server: SMTP = super().factory()  # type: ignore[no-untyped-call]
        return server

    def _create_server(self) -> Any:
        return self.loop.create_server(self._factory_invoker, sock=self._listening, ssl=self.ssl_context)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The sink on a loopback port; `ca_file` is the certificate to trust, "" without TLS."""

    mail: Mail
    host: str
    port: int
    ca_file: str
    controller: _Controller

    @property
    def url(self) -> str:
        return f"smtp://{self.host}:{self.port}"

    @property
    def messages(self) -> list[Letter]:
        return self.mail.messages

    @property
    def moods(self) -> Moods:
        return self.mail.moods

    def close(self) -> None:
        self.controller.stop(no_assert=True)


@contextmanager
def serve(
    *,
    port: int = 0,
    tls: str = "none",
    login: tuple[str, str] | None = None,
    certificate_for: str = "127.0.0.1",
    moods: Moods | None = None,
) -> Iterator[Running]:
    """A sink on loopback until the block ends. `tls` is none, starttls or implicit, with a certificate made on the spot
    for `certificate_for`; with `login` nobody sends without it."""
    with tempfile.TemporaryDirectory() as folder:
        running = _start(Path(folder), port, tls, login, certificate_for, moods or Moods())
        try:
            yield running
        finally:
            running.close()


def _start(
    folder: Path, port: int, tls: str, login: tuple[str, str] | None, certificate_for: str, moods: Moods
) -> Running:
    settings: dict[str, Any] = {"ready_timeout": 20}
    ca_file = ""
    if tls != "none":
        ca_file, context = _identity(folder, certificate_for)
        settings |= {"ssl_context": context} if tls == "implicit" else {"tls_context": context}
    mail = Mail(login, moods)
    if login:
        settings |= {"authenticator": mail.authenticate, "auth_required": True, "auth_require_tls": False}
    controller = _Controller(mail, _listen(port), **settings)
    controller.start()
    return Running(mail=mail, host="127.0.0.1", port=controller.port, ca_file=ca_file, controller=controller)


def _listen(port: int) -> socket.socket:
    # The protocol by its number: only then does asyncio send small answers at once.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    return listening


def _identity(folder: Path, name: str) -> tuple[str, ssl.SSLContext]:
    """A self-made certificate that clients may trust, and the server's side of it."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    _write_certificate(certificate, key, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return str(certificate), context


def _write_certificate(certificate: Path, key: Path, name: str) -> None:
    # Comes with the replica's other requirements; nothing else of opsbot needs it.
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    certificate.write_bytes(_self_signed(private, name).public_bytes(serialization.Encoding.PEM))


def _self_signed(private: Any, name: str) -> Any:
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import NameOID

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "opsbot replica")])
    digits = name.replace(".", "").isdigit()
    alternative = x509.IPAddress(ipaddress.ip_address(name)) if digits else x509.DNSName(name)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2049, 1, 1, tzinfo=datetime.UTC))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
