# SPDX-License-Identifier: MIT
"""Core dumps of PV guests as `xl dump-core` writes them: ELF with the notes of
the public header xen/elfnote.h (dump-core), read whole."""
import struct

PAGE = 4096
HEADER_NOTE, VERSION_NOTE, FORMAT_NOTE = 0x2000001, 0x2000002, 0x2000003
MAGIC_PV = 0xF00FEBED
CONTEXT_BYTES = 5168  # struct vcpu_guest_context
SIGNATURE = struct.pack("<Q", 0x5249474E4C455431)
MASK = (1 << 64) - 1


def _sections(data):
    """{name: content} of an ELF64 core; raises struct.error on a short one."""
    magic, kind, offset, size, count, names = struct.unpack_from(
        "<5s11xH22xQ10xHHH", data)
    if magic != b"\x7fELF\x02" or kind != 4 or size != 64:
        raise ValueError("not an ELF64 core")
    found = []
    for i in range(count):
        name, _, _, _, at, length = struct.unpack_from("<IIQQQQ", data,
                                                       offset + i * size)
        if at + length > len(data):
            raise ValueError(f"section {i} ends behind the file")
        found.append((name, data[at:at + length]))
    strings = found[names][1]
    return {strings[name:strings.index(b"\0", name)].decode(): content
            for name, content in found}


def _notes(data):
    found = {}
    while data:
        name, size, kind = struct.unpack_from("<III", data)
        start = 12 + (name + 3) // 4 * 4
        if data[12:12 + name] == b"Xen\0":
            found[kind] = data[start:start + size]
        data = data[start + (size + 3) // 4 * 4:]
    return found


def _word(page, i):
    x = (page * 512 + i) * 0x9E3779B97F4A7C15 & MASK
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & MASK
    return x ^ x >> 31


def _witness_pages(pages):
    """Numbers of the pages of the program witness that are as it made them."""
    found = []
    for at in range(0, len(pages), PAGE):
        if pages[at:at + 8] != SIGNATURE:
            continue
        words = struct.unpack_from("<512Q", pages, at)
        if all(words[i] == _word(words[1], i) for i in range(2, 512)):
            found.append(words[1])
    return found


def problem(data, vcpus, pages, witness):
    """What is wrong with the dump of a guest of so many vcpus and pages in
    which witness holds so many pages; None if nothing is."""
    try:
        sections = _sections(data)
        notes = _notes(sections[".note.Xen"])
        header = struct.unpack("<QQQQ", notes[HEADER_NOTE])
        p2m = sections[".xen_p2m"]
        content = sections[".xen_pages"]
        context = sections[".xen_prstatus"]
        version = struct.unpack_from("<QQ", notes[VERSION_NOTE])
        (layout,) = struct.unpack("<Q", notes[FORMAT_NOTE])
    except (KeyError, ValueError, struct.error) as error:
        return f"{type(error).__name__} {error}"
    held = len(p2m) // 16
    if header != (MAGIC_PV, vcpus, held, PAGE):
        return f"header note {header}"
    if version != (4, 17) or layout != 1:
        return f"version notes {version}, {layout}"
    if not pages - 256 <= held <= pages or len(content) != held * PAGE:
        return f"{held} frames of {pages}, {len(content)} bytes of pages"
    if len(context) != vcpus * CONTEXT_BYTES:
        return f"{len(context)} bytes of vcpu contexts"
    if len({p2m[at:at + 8] for at in range(0, len(p2m), 16)}) != held:
        return "a frame is there twice"
    if sorted(_witness_pages(content)) != list(range(witness)):
        return "pages of witness are missing or wrong"
    return None
