"""How the router's programming interface packs text into bytes (reference routeros.md §1.1).

A sentence is a run of words ended by an empty word; each word carries its length in front. Everything here is pure:
no sockets, so that the limits and the refusals can be proven with plain bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

CONTROL_BYTE_FIRST = 0xF8
LENGTH_MAX = 0xFFFFFFFF


class ProtocolError(Exception):
    """The other side broke the wire format or a limit; the connection cannot go on."""


class PeerGone(Exception):
    """The other side closed the connection, between sentences or in the middle of one."""


@dataclass(frozen=True)
class Limits:
    """How much one connection may ask us to remember: per word, and per sentence in words and in bytes."""

    word_bytes: int
    sentence_words: int
    sentence_bytes: int


BEFORE_LOGIN = Limits(word_bytes=1024, sentence_words=16, sentence_bytes=4096)
AFTER_LOGIN = Limits(word_bytes=4 << 20, sentence_words=4096, sentence_bytes=4 << 20)
assert BEFORE_LOGIN.sentence_bytes < AFTER_LOGIN.sentence_bytes, "strangers get less room than users"


def encode_length(length: int) -> bytes:
    """The 1 to 5 bytes that announce a word of this many bytes."""
    if length < 0x80:
        return length.to_bytes(1, "big")
    if length < 0x4000:
        return (length | 0x8000).to_bytes(2, "big")
    if length < 0x200000:
        return (length | 0xC00000).to_bytes(3, "big")
    if length < 0x10000000:
        return (length | 0xE0000000).to_bytes(4, "big")
    if length > LENGTH_MAX:
        raise ProtocolError(f"a word of {length} bytes cannot be announced")
    return b"\xf0" + length.to_bytes(4, "big")


def encode_word(word: str) -> bytes:
    raw = word.encode("utf-8", "replace")
    return encode_length(len(raw)) + raw


def encode_sentence(words: Iterable[str]) -> bytes:
    """One whole sentence, its closing empty word included."""
    return b"".join(encode_word(word) for word in words) + b"\x00"


class SentenceReader:
    """Reads sentences from a source of bytes and never remembers more than its limits allow.

    `receive(count)` returns up to `count` bytes, and no bytes at all when the other side has closed.
    """

    def __init__(self, receive: Callable[[int], bytes], limits: Limits = BEFORE_LOGIN) -> None:
        self._receive = receive
        self._buffer = bytearray()
        self.limits = limits

    def read(self) -> list[str]:
        """The next sentence that says something; empty sentences are skipped."""
        while True:
            words = self._read_sentence()
            if words:
                return words

    def _read_sentence(self) -> list[str]:
        words: list[str] = []
        total_bytes = 0
        while True:
            length = self._read_length()
            if length == 0:
                return words
            total_bytes += length
            if length > self.limits.word_bytes or total_bytes > self.limits.sentence_bytes:
                raise ProtocolError("sentence too long")
            if len(words) >= self.limits.sentence_words:
                raise ProtocolError("too many words")
            words.append(self._take(length).decode("utf-8", "replace"))

    def _read_length(self) -> int:
        first = self._take(1)[0]
        if first < 0x80:
            return first
        if first < 0xC0:
            return (first & 0x3F) << 8 | self._take(1)[0]
        if first < 0xE0:
            return (first & 0x1F) << 16 | int.from_bytes(self._take(2), "big")
        if first < 0xF0:
            return (first & 0x0F) << 24 | int.from_bytes(self._take(3), "big")
        if first == 0xF0:
            return int.from_bytes(self._take(4), "big")
        raise ProtocolError(f"control byte 0x{first:02X}")

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            chunk = self._receive(65536)
            if not chunk:
                raise PeerGone("closed by the other side")
            self._buffer += chunk
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken
