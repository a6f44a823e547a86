"""Files of DOVE: a folder in the layout of diffusers, and the embedding of the empty prompt in it or beside it.

The text encoder is never needed. Nothing is downloaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from vsadcvsr.errors import WeightsError

KEY = "prompt_embedding"

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""DOVE names an embedding by the SHA-256 of its prompt; this is that of nothing."""

_PARTS = {
    "transformer": ("config.json", {"CogVideoXTransformer3DModel"}),
    "vae": ("config.json", {"AutoencoderKLCogVideoX"}),
    "scheduler": ("scheduler_config.json", {"CogVideoXDPMScheduler", "CogVideoXDDIMScheduler"}),
}


def check_folder(folder: Path) -> None:
    """Returns if the folder has DOVE's three parts; WeightsError otherwise."""
    for part, (name, classes) in _PARTS.items():
        file = folder / part / name
        if not file.is_file():
            raise WeightsError(
                f"{file} is missing; give DOVE's folder in the layout of diffusers, with {', '.join(_PARTS)}"
            )
        content = _class_of(file)
        if content not in classes:
            raise WeightsError(
                f"{file} is of the class {content}, not {' or '.join(sorted(classes))}; give DOVE's folder"
            )


def find_prompt(folder: Path, prompt_file: Path | None) -> Path:
    """The file with the embedding of the empty prompt: the one given, or one found in the folder or next to it."""
    if prompt_file is not None:
        if not prompt_file.is_file():
            raise WeightsError(f"{prompt_file} is missing; name the file with the embedding of the empty prompt")
        return prompt_file
    candidates = [path for path in _near(folder) if KEY in _keys(path)]
    named = [path for path in candidates if path.stem == EMPTY]
    if not candidates:
        raise WeightsError(
            f"no safetensors file in {folder} or next to it holds a {KEY}; name it with --prompt (DOVE's own is "
            f"pretrained_models/prompt_embeddings/{EMPTY}.safetensors)"
        )
    if len(named or candidates) > 1:
        raise WeightsError(f"{candidates[0]} and {candidates[1]} both hold a {KEY}; name one with --prompt")
    return (named or candidates)[0]


def read_prompt(path: Path, shape: tuple[int, int]) -> Tensor:
    """The embedding (1, tokens, width); WeightsError if it is absent or of another shape."""
    if KEY not in _keys(path):
        raise WeightsError(f"{path} holds no {KEY}; give the file that DOVE ships")
    with safe_open(path, framework="pt") as file:
        content: Tensor = file.get_tensor(KEY)
    if tuple(content.shape[-2:]) != shape or content.numel() != shape[0] * shape[1]:
        raise WeightsError(f"{path} holds a {KEY} of shape {tuple(content.shape)}, but the transformer takes {shape}")
    return content.reshape(1, *shape)


def _near(folder: Path) -> Iterator[Path]:
    for place in (folder, folder / "prompt_embeddings", folder.resolve().parent / "prompt_embeddings"):
        yield from sorted(place.glob("*.safetensors"))


def _keys(path: Path) -> list[str]:
    try:
        with safe_open(path, framework="pt") as file:
            return list(file.keys())
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} cannot be read as safetensors ({error}); download it again") from error


def _class_of(file: Path) -> object:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{file} cannot be read as JSON ({error}); download it again") from error
    return content.get("_class_name") if isinstance(content, dict) else None
