# SPDX-License-Identifier: LGPL-2.1-or-later
"""The consumer's side of a BPF ring buffer, by mmap(2)."""

import mmap
import os
import struct

PAGE = os.sysconf("SC_PAGESIZE")
BUSY, DISCARD = 1 << 31, 1 << 30


def read(fd, size):
    """All records that are there, as bytes. The consumer's position is left where it was."""
    with mmap.mmap(fd, PAGE, prot=mmap.PROT_READ, offset=0) as consumer, \
            mmap.mmap(fd, PAGE + 2 * size, prot=mmap.PROT_READ, offset=PAGE) as producer:
        position, = struct.unpack_from("=Q", consumer, 0)
        end, = struct.unpack_from("=Q", producer, 0)
        records = []
        while position < end:
            place = PAGE + position % size
            header, = struct.unpack_from("=I", producer, place)
            if header & BUSY:
                break
            length = header & ~(BUSY | DISCARD)
            if not header & DISCARD:
                records.append(bytes(producer[place + 8:place + 8 + length]))
            position += (length + 8 + 7) // 8 * 8
        return records
