"""Conversations with a Storage SCP, made of valid messages and then damaged at every place; see fuzz_network.py."""

import random
import struct
from collections.abc import Iterator

CT, VERIFICATION = b"1.2.840.10008.5.1.4.1.1.2", b"1.2.840.10008.1.1"
CLASSES = (
    CT,
    VERIFICATION,
    b"1.2.840.10008.5.1.4.1.2.2.1",
    b"1.2.840.10008.1.20.1",
    b"1.2.3",
    b"1." * 40,
    b"",
    b"\xff",
)
SYNTAXES = (b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.4.90", b"1.2.9", b"9" * 70, b"")
COMMANDS = (
    0x0001,
    0x0010,
    0x0020,
    0x0021,
    0x0030,
    0x0100,
    0x0110,
    0x0120,
    0x0130,
    0x0140,
    0x0150,
    0x0FFF,
    0x8001,
    0x8030,
)
SHORTS = (0, 1, 2, 0x0101, 0x0102, 0x7FFF, 0xFFFF)


def item(kind: int, body: bytes) -> bytes:
    """Encode an item of an association request (PS3.8 9.3.2)."""
    return struct.pack(">BBH", kind & 0xFF, 0, len(body) & 0xFFFF) + body


def pdu(kind: int, body: bytes) -> bytes:
    """Encode a PDU (PS3.8 9.3.1)."""
    return struct.pack(">BBL", kind & 0xFF, 0, len(body)) + body


class Talk:
    """One conversation, made from its random numbers alone."""

    def __init__(self, numbers: random.Random) -> None:
        """Decide how rude it is to be."""
        self.random = numbers
        self.rudeness = numbers.choice((0.0, 0.02, 0.1, 0.4))

    def rude(self) -> bool:
        """Tell whether to do it wrong here."""
        return self.random.random() < self.rudeness

    def pieces(self) -> list[bytes]:
        """Return what is sent, piece by piece."""
        said = [self.request()] if not self.rude() else []
        for _ in range(self.random.randint(0, 6)):
            said += self.message()
        if self.random.random() < 0.7:
            said.append(pdu(self.random.choice((0x05, 0x05, 0x05, 0x07)), bytes(4)))
        if self.rude():
            self.random.shuffle(said)
        if self.rude():
            said.insert(self.random.randint(0, len(said)), self.garbage())
        if said and self.rude():
            said.append(self.random.choice(said))
        return [self.damaged(piece) for piece in said]

    def request(self) -> bytes:
        """Make an association request."""
        items = item(0x10, b"1.2.840.10008.3.1.1.1") if not self.rude() else b""
        for number in range(1, 2 * self.random.randint(1, 6), 2):
            syntaxes = self.random.sample(SYNTAXES, self.random.randint(1, 3)) if self.rude() else SYNTAXES[:2]
            classes = [self.random.choice(CLASSES) if number > 3 or self.rude() else (CT, VERIFICATION)[number // 2]]
            body = b"".join(item(0x30, name) for name in classes * (2 if self.rude() else 1))
            body += b"".join(item(0x40, name) for name in syntaxes)
            context = self.random.randrange(256) if self.rude() else number
            items += item(0x20, bytes((context, 0, 0, 0)) + body)
        inner = item(
            0x51, struct.pack(">L", self.random.choice((0, 1, 6, 16384, 0xFFFFFFFF)) if self.rude() else 16384)
        )
        inner += item(0x52, b"1.2.3.4.5")
        if self.rude():
            uid = self.random.choice(CLASSES)
            role = struct.pack(">H", len(uid)) + uid + bytes((1, 1))
            inner += item(self.random.choice((0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x99)), role)
        items += item(0x50, inner)
        titles = (b"TIBABU".ljust(16), b"FUZZ".ljust(16))
        if self.rude():
            titles = (self.random.choice((titles[0], bytes(16), b" " * 16, b"\xff" * 16)), self.random.randbytes(16))
        return pdu(0x01, struct.pack(">HH16s16s32x", 1, 0, *titles) + items)

    def message(self) -> list[bytes]:
        """Make a DIMSE message, in PDUs."""
        is_store = self.random.random() < 0.7
        field = self.random.choice(COMMANDS) if self.rude() else 0x0001 if is_store else 0x0030
        has_dataset = is_store != self.rude()
        elements = {
            0x00000002: CT + b"\0" if is_store else VERIFICATION + b"\0",
            0x00000100: struct.pack("<H", field),
            0x00000110: struct.pack("<H", self.random.randint(1, 99)),
            0x00000700: b"\0\0",
            0x00000800: b"\1\0" if has_dataset else b"\1\1",
            0x00001000: b"1.2.3.4\0",
        }
        while self.rude():
            tag = self.random.choice(
                [*elements, 0x00000003, 0x00000120, 0x00000600, 0x00000900, 0x00001030, 0x00010010]
            )
            elements[tag] = self.random.choice(
                (b"", b"\0", b"ABC", struct.pack("<H", self.random.choice(SHORTS)), bytes(99))
            )
        while len(elements) > 1 and self.rude():
            del elements[self.random.choice(list(elements))]
        command = b"".join(self.element(tag, value) for tag, value in sorted(elements.items()))
        command = self.element(0, struct.pack("<L", len(command))) + command
        context = self.random.choice((1, 3, 5, 255, 2, 0)) if self.rude() else 1 if is_store else 3
        fragments = list(self.fragments(context, 0x01, self.damaged(command)))
        if has_dataset != self.rude():
            token = b"TOKEN:" + f"{self.random.getrandbits(64):016x}".encode()
            fragments += self.fragments(
                context, 0x00, self.damaged(token + self.random.randbytes(self.random.choice((0, 9, 40000))))
            )
        if self.rude():
            self.random.shuffle(fragments)
        return list(self.joined(fragments))

    @staticmethod
    def element(tag: int, value: bytes) -> bytes:
        """Encode an element of a command set (PS3.7 6.3.1)."""
        return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value)) + value

    def fragments(self, context: int, control: int, data: bytes) -> Iterator[bytes]:
        """Part data into presentation data values (PS3.8 annex E)."""
        size = self.random.choice((16000, 16000, 1000, 7)) if len(data) < 5000 else 16000
        parts = [data[start : start + size] for start in range(0, len(data), size)] or [b""]
        for number, part in enumerate(parts):
            last = 0x02 if number == len(parts) - 1 else 0x00
            header = self.random.randrange(256) if self.rude() else control | last
            length = self.random.choice((0, 1, 0xFFFFFFFF, 2)) if self.rude() else len(part) + 2
            yield struct.pack(">LBB", length, context, header) + part

    def joined(self, fragments: list[bytes]) -> Iterator[bytes]:
        """Put fragments into P-DATA-TF PDUs, some of them several into one."""
        while fragments:
            count = self.random.randint(1, 3)
            yield pdu(0x04, b"".join(fragments[:count]))
            fragments = fragments[count:]

    def damaged(self, data: bytes) -> bytes:
        """Flip, cut, repeat, or lie about a length; or leave it as it is."""
        while data and self.rude():
            place = self.random.randrange(len(data))
            kind = self.random.randrange(5)
            if kind == 0:
                data = data[:place] + bytes((self.random.randrange(256),)) + data[place + 1 :]
            elif kind == 1:
                data = data[:place]
            elif kind == 2:
                data = data[:place] + self.random.randbytes(self.random.randint(1, 40)) + data[place:]
            elif kind == 3:
                data = (
                    data[:2]
                    + struct.pack(">L", self.random.choice((0, 1, 65536, 1 << 20, 1 << 31, (1 << 32) - 1)))
                    + data[6:]
                )
            else:
                data = data[:place] + data[max(0, place - 30) :]
        return data

    def garbage(self) -> bytes:
        """Return what is no DICOM at all."""
        return self.random.choice(
            (
                b"GET / HTTP/1.1\r\n\r\n",
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                self.random.randbytes(50),
                bytes(6),
                b"\x04",
            )
        )
