"""Things to probe on loopback: a site that is well, one that is slow, one that is down, and one whose certificate ends.

Plain HTTP in threads; the certificate is made on the spot and signed by a CA of its own, whose file a client is given.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

HOST = "127.0.0.1"
SLOW = 0.35
ENDS_IN = timedelta(days=6, hours=1)
# Status, seconds before the answer, body.
PATHS: Mapping[str, tuple[int, float, bytes]] = {
    "/health": (200, 0.0, b'{"status": "ok", "version": "1.4.0"}'),
    "/search": (200, SLOW, b'{"status": "ok", "hits": 42}'),
    "/orders": (503, 0.0, b'{"status": "error", "reason": "no database connection left"}'),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """Where they listen: `plain` and `secure` are addresses without a path, `ca_file` is what signs the second."""

    plain: str
    secure: str
    ca_file: Path


@contextmanager
def serve(folder: Path, now: datetime) -> Iterator[Running]:
    """The targets until the block ends; the CA's certificate is left in `folder`, and the site's ends soon after `now`."""
    ca_file, context = _identity(folder, now)
    servers = [_start(), _start(context)]
    plain, secure = (server.server_address[1] for server in servers)
    try:
        yield Running(plain=f"http://{HOST}:{plain}", secure=f"https://{HOST}:{secure}", ca_file=ca_file)
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        status, pause, body = PATHS.get(self.path, (404, 0.0, b"{}"))
        # An answer that takes its time, as a search that scans a table does.
        time.sleep(pause)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that left is no news."""


def _start(context: ssl.SSLContext | None = None) -> _Server:
    server = _Server((HOST, 0), _Handler)
    if context is not None:
        # The handshake happens in the connection's own thread.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    return server


def _identity(folder: Path, now: datetime) -> tuple[Path, ssl.SSLContext]:
    """A CA, and a certificate of it for this host that ends in a few days."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    issuer_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "opsbot demo CA")])
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop.demo")])

    def made(name: x509.Name, public: ec.EllipticCurvePublicKey, days: timedelta) -> x509.CertificateBuilder:
        built = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(public)
        built = built.serial_number(x509.random_serial_number())
        return built.not_valid_before(now - timedelta(days=84)).not_valid_after(now + days)

    root = made(issuer, issuer_key.public_key(), timedelta(days=365))
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    leaf = made(subject, key.public_key(), ENDS_IN)
    leaf = leaf.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
    signed = [one.sign(issuer_key, hashes.SHA256()).public_bytes(Encoding.PEM) for one in (root, leaf)]
    ca_file, own = folder / "demo-ca.pem", folder / "demo-site.pem"
    ca_file.write_bytes(signed[0])
    own.touch(mode=0o600)
    own.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + signed[1])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    own.unlink()
    return ca_file, context
