"""What to compare, as a person says it on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eval import detectors
from eval.benchmark.measurement import Setting
from eval.detectors.registry import DETECTORS
from synth.errors import EvalError
from synth.recipe.safe_yaml import BadYaml, parse


def grid(
    names: str,
    features: str,
    settings: Sequence[str],
    shots: str,
    draws: int,
    modalities: str | None = None,
    together: bool = False,
) -> list[Setting]:
    """Every detector of "a,b" (or "all") with every network of "c,d", every modality of "image,xyz" that it has, every
    number of good samples of "1,4" (or "all") and every draw. settings: KEY=VALUE for all detectors that have it,
    NAME.KEY=VALUE for one. EvalError for anything that is not there."""
    chosen = list(DETECTORS) if names == "all" else _listed(names, "--detectors")
    networks, counts = _listed(features, "--features"), _counts(shots)
    params = {name: _params(name, settings, chosen) for name in chosen}
    compared = []
    for name in chosen:
        for given in _each(name, networks, modalities):
            # Checked before anything is read or trained.
            detectors.create(name, **params[name] | given)
            for count in counts:
                for draw in range(draws if count is not None else 1):
                    compared.append(Setting(name, params[name] | given, count, draw, together))
    return compared


def _each(name: str, networks: Sequence[str], modalities: str | None) -> list[dict[str, Any]]:
    """What of a detector's parameters is listed: networks by modalities, one network alone where no image is seen, and
    none where the detector sees the pixels themselves."""
    own = "+".join(sorted(detectors.create(name).modalities))
    if not _has(name, "features"):
        listed = None if modalities is None else _listed(modalities, "--modality")
        return [{}] if listed is None or own in listed else []
    if modalities is None:
        return [{"features": network} for network in (networks if "image" in own else networks[:1])]
    found = []
    for modality in _listed(modalities, "--modality"):
        seen = networks if "image" in modality else networks[:1]
        if _has(name, "modality"):
            found += [{"features": network, "modality": modality} for network in seen]
        elif modality == own:
            found += [{"features": network} for network in seen]
    return found


def _listed(text: str, option: str) -> list[str]:
    found = [name.strip() for name in text.split(",") if name.strip()]
    if not found:
        raise EvalError(f"{option} names nothing; give names separated by commas")
    return list(dict.fromkeys(found))


def _counts(text: str) -> list[int | None]:
    found: list[int | None] = []
    for one in _listed(text, "--shots"):
        if one != "all" and not (one.isdecimal() and int(one) > 0):
            raise EvalError(f"--shots {one}: wanted numbers of good samples separated by commas, or all")
        found.append(None if one == "all" else int(one))
    return found


def _params(name: str, settings: Sequence[str], chosen: Sequence[str]) -> dict[str, Any]:
    """The parameters of one detector. EvalError for a setting that no detector has."""
    params = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        owner, dot, own = key.rpartition(".")
        if not equals or not key or (dot and owner not in chosen):
            raise EvalError(f"--set {setting}: wanted KEY=VALUE or NAME.KEY=VALUE with NAME among {', '.join(chosen)}")
        if not dot and not any(_has(one, own) for one in chosen):
            raise EvalError(f"--set {setting}: none of {', '.join(chosen)} has a parameter {own}")
        if owner == name or (not dot and _has(name, own)):
            try:
                _, params[own] = parse(text)
            except BadYaml as problem:
                raise EvalError(f"--set {key}=...: {problem}") from problem
    return params


def _has(name: str, parameter: str) -> bool:
    return parameter in type(detectors.create(name).config).model_fields
