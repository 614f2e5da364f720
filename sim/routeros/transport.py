"""One TCP connection as bytes in and bytes out, in clear or under TLS, safe to read and write from two threads."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import ssl
import struct
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SEND_SECONDS_MAX = 20
HANDSHAKE_SECONDS_MAX = 10.0


class Channel:
    """A connection in clear."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        self._sending = threading.Lock()
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_SECONDS_MAX, 0))

    def open(self) -> None:
        """Whatever must be agreed before the first byte. Raises OSError."""

    def receive(self, count: int) -> bytes:
        """Up to this many bytes; none when the other side has closed. Raises OSError."""
        return self._raw.recv(count)

    def send(self, data: bytes) -> None:
        """All of the bytes. Raises OSError, also when the other side does not read for too long."""
        with self._sending:
            self._raw.sendall(data)

    def close(self) -> None:
        """End the connection at once, waking whoever reads it."""
        with contextlib.suppress(OSError):
            self._raw.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Give the socket back; only the reading thread does this, last of all."""
        self._raw.close()


class TlsChannel(Channel):
    """The same under TLS. One lock guards the cipher state, because OpenSSL's does not bear two threads."""

    def __init__(self, raw: socket.socket, context: ssl.SSLContext) -> None:
        super().__init__(raw)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._state = threading.Lock()

    def open(self) -> None:
        self._raw.settimeout(HANDSHAKE_SECONDS_MAX)
        while True:
            try:
                with self._state:
                    self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()
                continue
            self._flush()
            self._raw.settimeout(None)
            return

    def receive(self, count: int) -> bytes:
        while True:
            try:
                with self._state:
                    return self._tls.read(count)
            except ssl.SSLWantReadError:
                self._flush()
                if not self._feed():
                    return b""
            except ssl.SSLZeroReturnError:
                return b""

    def send(self, data: bytes) -> None:
        with self._sending:
            with self._state:
                self._tls.write(data)
                encrypted = self._outgoing.read()
            self._raw.sendall(encrypted)

    def _flush(self) -> None:
        with self._sending:
            with self._state:
                encrypted = self._outgoing.read()
            if encrypted:
                self._raw.sendall(encrypted)

    def _feed(self) -> bool:
        data = self._raw.recv(65536)
        with self._state:
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()
        return bool(data)


def self_signed(common_name: str, host: str) -> tuple[ssl.SSLContext, bytes]:
    """A server context with a fresh certificate for this address, and that certificate as PEM for whoever pins it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64] or "router")])
    now = datetime.fromtimestamp(int(time.time()), UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=3650))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(host))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    handle, path = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(private + pem)
        context.load_cert_chain(path)
    finally:
        Path(path).unlink()
    return context, pem
