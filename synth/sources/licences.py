"""Licences of data, by the ids that the Hugging Face Hub knows, and what may be published of data under them."""

from __future__ import annotations

from enum import Enum

from synth.suggest import did_you_mean


class Kind(Enum):
    """What a licence asks of those who publish something made from the data."""

    PERMISSIVE = "permissive"
    SHARE_ALIKE = "share alike"
    NON_COMMERCIAL = "non-commercial"
    NON_COMMERCIAL_SHARE_ALIKE = "non-commercial, share alike"
    NO_DERIVATIVES = "no derivatives"
    UNKNOWN = "unknown"


def _creative_commons(kind: str, *versions: str) -> list[str]:
    return [f"cc-{kind}-{version}" for version in versions]


_BY_KIND: dict[Kind, list[str]] = {
    Kind.PERMISSIVE: [
        *("apache-2.0", "mit", "bsd", "bsd-2-clause", "bsd-3-clause", "bsl-1.0", "isc", "unlicense", "wtfpl", "zlib"),
        *("cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "pddl", "odc-by", "cdla-permissive-1.0"),
        *("cdla-permissive-2.0", "etalab-2.0"),
    ],
    Kind.SHARE_ALIKE: [
        *("cc-by-sa-3.0", "cc-by-sa-4.0", "odbl", "cdla-sharing-1.0", "gpl", "gpl-2.0", "gpl-3.0", "agpl-3.0", "lgpl"),
        *("lgpl-2.1", "lgpl-3.0", "mpl-2.0", "gfdl"),
    ],
    Kind.NON_COMMERCIAL: _creative_commons("by-nc", "2.0", "3.0", "4.0"),
    Kind.NON_COMMERCIAL_SHARE_ALIKE: _creative_commons("by-nc-sa", "2.0", "3.0", "4.0"),
    Kind.NO_DERIVATIVES: ["cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0"],
    Kind.UNKNOWN: ["other", "unknown"],
}
KINDS: dict[str, Kind] = {licence: kind for kind, licences in _BY_KIND.items() for licence in licences}
"""Licence id of the Hub -> what it asks for. `other`: terms of their own; `unknown`: none are known."""
_SPDX = {"0bsd": "bsd", "gpl-2.0-only": "gpl-2.0", "gpl-3.0-only": "gpl-3.0", "odbl-1.0": "odbl", "pddl-1.0": "pddl"}


def licence_id(given: str) -> str:
    """The Hub's id of a licence given by it or by its SPDX identifier. ValueError for one that is not known."""
    name = given.strip().lower().replace(" ", "-")
    name = _SPDX.get(name, name)
    if name not in KINDS:
        raise ValueError(f"no licence that is known (other stands for terms of their own); {did_you_mean(name, KINDS)}")
    return name


def may_publish(tag: str, source: str) -> bool:
    """Whether data made from data under the licence `source` may be tagged with the licence `tag`."""
    match KINDS[source]:
        case Kind.PERMISSIVE:
            return True
        case Kind.SHARE_ALIKE | Kind.NON_COMMERCIAL_SHARE_ALIKE:
            return tag == source
        case Kind.NON_COMMERCIAL:
            return KINDS.get(tag) in (Kind.NON_COMMERCIAL, Kind.NON_COMMERCIAL_SHARE_ALIKE)
        case Kind.NO_DERIVATIVES:
            return False
        case Kind.UNKNOWN:
            return KINDS.get(tag, Kind.UNKNOWN) is Kind.UNKNOWN
