"""Why a file cannot be read as an image, and what helps: by its first bytes, whatever its name, and by the error."""

from __future__ import annotations

from pathlib import Path

from synth.io.regular import reason
from synth.printable import printable

AGAIN = "copy it again"
_HEAD = 4096
"""Bytes that are looked at."""

_TEXTS: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "is a pointer of Git LFS, not the image itself", "fetch it with git lfs pull"),
    (b"[internetshortcut]", "is a link to a file in the cloud, not the image itself", "download that file"),
    (b"<!doctype html", "is a web page, not an image", "download the image again, after logging in if need be"),
    (b"<html", "is a web page, not an image", "download the image again, after logging in if need be"),
    (b"<svg", "is an SVG drawing", "export it as PNG"),
    (b"{", "is text (JSON), not an image", "give the image that it belongs to, or remove it"),
)
"""How texts begin, in small letters."""

_KINDS: tuple[tuple[bytes, str, str], ...] = (
    (b"8BPS", "is a Photoshop document", "export it as PNG or TIFF"),
    (b"%PDF", "is a PDF document", "export its images as PNG"),
    (b"PK\x03\x04", "is a ZIP archive", "unpack it"),
    (b"Rar!", "is a RAR archive", "unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive", "unpack it"),
    (b"\x1f\x8b", "is a gzip archive", "unpack it"),
    (b"bplist00", "is a placeholder of a file in the cloud", "download the file itself"),
    (b"\x00\x05\x16\x07", "is what macOS keeps beside a file, not the image itself", "remove it"),
    (b"FUJIFILMCCD-RAW", "is a raw file of a camera", "develop it and export it as 16-bit TIFF or PNG"),
    (b"IIRO", "is a raw file of a camera", "develop it and export it as 16-bit TIFF or PNG"),
    (b"IIU\x00", "is a raw file of a camera", "develop it and export it as 16-bit TIFF or PNG"),
    (b"\xff\x0a", "is a JPEG XL image, which is not read", "convert it to PNG"),
    (b"\x00\x00\x00\x0cJXL ", "is a JPEG XL image, which is not read", "convert it to PNG"),
    (b"v/1\x01", "is an OpenEXR image, which is not read", "export it as 16-bit PNG or TIFF"),
    (b"SIMPLE  =", "is a FITS image, which is not read", "export it as 16-bit PNG or TIFF"),
    (b"\x93NUMPY", "is an array of numpy", "save it as PNG"),
    (b"\x89HDF", "is an HDF5 file", "export its images as PNG"),
)
_IN_BOXES: tuple[tuple[tuple[bytes, ...], str, str], ...] = (
    ((b"crx ",), "is a raw file of a camera", "develop it and export it as 16-bit TIFF or PNG"),
    ((b"avif", b"avis"), "is an AVIF image, which is not read", "convert it to PNG"),
    ((b"hei", b"hev", b"mif1", b"msf1"), "is a HEIC image, which is not read", "convert it to JPEG or PNG"),
    ((b"",), "is a video", "export the frames that you mean as PNG"),
)
"""By the brand of an ISO container, of which the last is any."""

_READ = (
    b"\x89PNG",
    b"\xff\xd8",
    b"BM",
    b"II*\x00",
    b"MM\x00*",
    b"II+\x00",
    b"MM\x00+",
    b"RIFF",
    b"GIF8",
    b"P",
    b"\xff\x4f",
)
_JP2 = b"\x00\x00\x00\x0cjP  "
_CANNOT = ("unsupported", "not supported", "not implemented", "not available", "unknown", "invalid data precision")
"""Words of decoders that know a format, but not this kind of it."""


def unreadable(path: Path, problem: BaseException) -> str:
    """The sentence of an error: the file, what is wrong with it; what helps."""
    name = printable(path)
    if isinstance(problem, MemoryError):
        return f"{name} does not fit into the memory; cut it into tiles or scale it down"
    if isinstance(problem, PermissionError):
        return f"{name} may not be read ({problem.strerror}); change its rights"
    if isinstance(problem, OSError) and problem.errno is not None:
        return f"{name} could not be read ({problem.strerror}); check the disk or the network and try again"
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as again:
        return unreadable(path, again)
    what, remedy = _kind(head) or _damage(head, problem)
    return f"{name} {what}; {remedy}"


def _kind(head: bytes) -> tuple[str, str] | None:
    """What another file is, None where its first bytes are those of an image that is read, or unknown."""
    if not head.strip(b"\0"):
        return "holds zeros alone, as after a copy that failed or where the file is only in the cloud", AGAIN
    if head.startswith(b"PK\x03\x04") and head[6:7] and head[6] & 1:
        return "is a ZIP archive with a password", "unpack it"
    if head[4:8] == b"ftyp":
        return next((what, remedy) for brands, what, remedy in _IN_BOXES if head[8:12].startswith(brands))
    if head[128:132] == b"DICM":
        return "is a DICOM file", "export it as 16-bit PNG or TIFF"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<?xml", b"<!--")) and b"<svg" in text:
        return "is an SVG drawing", "export it as PNG"
    for start, what, remedy in _TEXTS:
        if text.startswith(start):
            return what, remedy
    return next(((what, remedy) for start, what, remedy in _KINDS if head.startswith(start)), None)


def _damage(head: bytes, problem: BaseException) -> tuple[str, str]:
    said = reason(problem)
    if not head.startswith((*_READ, _JP2)):
        return "cannot be read as an image (its format is unknown)", "export it as PNG"
    if "cannot identify" in said:
        kind = "a header that is damaged, or of a kind that is not read"
        return f"cannot be read as an image ({kind})", "export it as PNG, grey or RGB of 8 or 16 bits"
    if any(word in said.lower() for word in _CANNOT):
        return f"is of a kind that is not read ({said})", "export it as PNG, grey or RGB of 8 or 16 bits"
    return f"cannot be read as an image ({said}): it is cut short or damaged", AGAIN
