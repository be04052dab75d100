"""Reads pretrained weights without running code from the file, converts them, compares them with a recipe, stores them.

Covers backbones, and what backbones and whole detectors (detector_weights.py) share.
"""

import hashlib
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from everswin_trainer.data.file_kind import HEAD_BYTES, name_kind
from everswin_trainer.model import mmcv_ops
from everswin_trainer.system.atomic_file import write_atomic

# Present in an ImageNet classifier, absent from a detector's backbone.
CLASSIFIER_ONLY = ("head.", "norm.")
# Buffers derived from the window size.
DERIVED = ("relative_position_index", "attn_mask")
# The norm layers after each stage exist only in a detector's backbone.
DETECTOR_ONLY = ("norm0", "norm1", "norm2", "norm3")
# MMDetection loads only keys with this prefix.
PREFIX = "backbone."
# Parts of a detector other than the backbone.
DETECTOR_PARTS = ("neck.", "rpn_head.", "roi_head.", "bbox_head.", "mask_head.")
SUFFIX = ".safetensors"

# torch.save writes a zip archive, and wrote a pickle before version 1.6.
ZIP = b"PK\x03\x04"
PICKLE = b"\x80"
REASON_CHARACTERS = 200
UNPICKLER = "WeightsUnpickler error:"
SENTENCE_END = re.compile(r"\n|(?<=[.?])\s")
ADVICE = re.compile(r"load failed|In PyTorch|Re-running|trust|[Pp]lease|Check the doc|Alternatively|Could this error")

# More than any backbone has; the header limit follows.
MAX_TENSORS = 10_000
MAX_KEY_CHARACTERS = 300
MAX_HEADER_BYTES = 1 << 20
DTYPES = {torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.int32}


class Refused(Exception):
    """Raised for a file that is not a dictionary of tensors or cannot be converted."""


def read_backbone(path: Path, backbone: Any) -> dict[str, Tensor]:
    """Returns tensors in MMDetection's layout, by name. `backbone` is its config in the recipe. Raises Refused.

    Runs no code from the file and detects the format from its content.
    """
    tensors = read_tensors(path)
    if holds_detector(tensors):
        raise Refused(
            f"{path.name} holds a whole detector instead of a backbone: "
            "name it in weights.detector instead of weights.backbone"
        )
    return convert(tensors, backbone)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Returns unconverted tensors by name. Raises Refused."""
    return named_tensors(load_content(path), path)


def load_content(path: Path) -> Any:
    """Returns what the file holds, in any form. Raises Refused."""
    return load_safetensors(path) if looks_like_safetensors(path) else load_pickle(path)


def holds_detector(tensors: dict[str, Tensor]) -> bool:
    return any(key.startswith(DETECTOR_PARTS) for key in tensors)


def looks_like_safetensors(path: Path) -> bool:
    """Returns whether a file starts with 8 bytes of length and JSON; no pickle or archive does."""
    with open(path, "rb") as stream:
        return stream.read(9)[8:] == b"{"


def require_converted(path: Path) -> None:
    """Raises ValueError for a file that convert-weights did not write."""
    if not looks_like_safetensors(path):
        raise ValueError(f"expected {path} to be written by convert-weights --part detector, got another kind of file")


def load_safetensors(path: Path) -> dict[str, Tensor]:
    with open(path, "rb") as stream:
        header_bytes = int.from_bytes(stream.read(8), "little")
    if header_bytes > MAX_HEADER_BYTES:
        raise Refused(
            f"{path.name} declares a header of {header_bytes} bytes, more than the limit of {MAX_HEADER_BYTES}"
        )
    try:
        return safetensors.torch.load_file(path)
    except Exception as error:
        raise Refused(f"safetensors refuses {path.name}: {reason(error)}") from error


def load_pickle(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # The unpickler raises exceptions of any type for invalid bytes.
        if other := _name_other_kind(path):
            raise Refused(f"{path.name} is not a checkpoint of PyTorch: it is {other}") from error
        raise Refused(f"torch.load(weights_only=True) refuses {path.name}: {reason(error)}") from error


def _name_other_kind(path: Path) -> str | None:
    """Returns what a file is that torch cannot read; None if it may be a damaged checkpoint."""
    with open(path, "rb") as stream:
        head = stream.read(HEAD_BYTES)
    if not head:
        return "empty"
    if head.startswith(PICKLE):
        return None
    if head.startswith(ZIP):
        return _explain_zip(path)
    kind = name_kind(head)
    return kind.name if kind else "a file of an unknown kind"


def _explain_zip(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return "a truncated or damaged zip archive"
    return None if any(name.endswith("data.pkl") for name in names) else "a zip archive of other files"


def reason(error: Exception) -> str:
    """Returns the reason without torch's advice, which explains how to run the file's code anyway."""
    sentences = [one for one in SENTENCE_END.split(str(error)) if not ADVICE.search(one)]
    reasons = (one.rpartition(UNPICKLER)[2].strip() for one in sentences)
    text = next(filter(None, reasons), type(error).__name__)[:REASON_CHARACTERS]
    # Names in a file may contain terminal escape sequences.
    return "".join(one if one.isprintable() else "?" for one in text)


def named_tensors(content: Any, path: Path) -> dict[str, Tensor]:
    """Unwraps `state_dict` or `model`. Raises Refused for contents that no valid file has."""
    for wrapper in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise Refused(f"{path.name} holds other objects than named tensors")
    if len(content) > MAX_TENSORS:
        raise Refused(f"{path.name} holds {len(content)} tensors, more than the limit of {MAX_TENSORS}")
    size = path.stat().st_size
    for key, tensor in content.items():
        if not isinstance(key, str) or not key.isprintable() or len(key) > MAX_KEY_CHARACTERS:
            raise Refused(f"{path.name} holds a tensor with an invalid name")
        _refuse_invalid(key, tensor, size)
    return content


def _refuse_invalid(key: str, tensor: Tensor, file_bytes: int) -> None:
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.dtype not in DTYPES:
        raise Refused(f"{key} is not a dense CPU tensor of numbers: {tensor.layout}, {tensor.device}, {tensor.dtype}")
    # Zero strides or compression can turn a few bytes into a terabyte.
    if tensor.numel() * tensor.element_size() > file_bytes:
        raise Refused(f"{key} is larger than the file itself: {list(tensor.shape)} of {tensor.dtype}")
    if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
        raise Refused(f"{key} holds NaN or infinite values")


def convert(tensors: dict[str, Tensor], backbone: Any) -> dict[str, Tensor]:
    """Converts to MMDetection's key layout, with MMDetection's converter if the recipe asks for it."""
    is_converted = any(key.startswith(PREFIX) for key in tensors)
    if backbone.get("convert_weights") and not is_converted:
        tensors = from_swin_layout(tensors)
    return {key.removeprefix(PREFIX): value for key, value in tensors.items()}


def from_swin_layout(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Converts a backbone from the Swin repository's names to MMDetection's, which start with PREFIX.

    MMDetection merges patches in another order, so its converter permutes what follows a merge. Raises Refused.
    """
    mmcv_ops.install()
    from mmdet.models.backbones.swin import swin_converter

    try:
        return swin_converter(tensors)
    except Exception as error:
        raise Refused(f"its tensors cannot be converted from the Swin repository's layout: {reason(error)}") from error


def expected_tensors(backbone: Any) -> dict[str, Tensor]:
    """Returns the parameters and buffers of the recipe's backbone."""
    return build_model({**backbone, "init_cfg": None}).state_dict()


def build_model(settings: Any) -> torch.nn.Module:
    """Builds a model, or part of one, from its config with MMDetection; does not initialize it."""
    mmcv_ops.install()
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules

    register_all_modules(init_default_scope=True)
    return MODELS.build(settings)


@dataclass
class Comparison:
    """Differences between a file and a model. `parameters` counts the matching parameters."""

    parameters: int = 0
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    mismatched: list[dict[str, Any]] = field(default_factory=list)

    @property
    def fits(self) -> bool:
        return not (self.missing or self.unexpected or self.mismatched)


def compare(tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> Comparison:
    comparison = Comparison()
    for key, tensor in expected.items():
        derived = key.endswith(DERIVED)
        if key not in tensors:
            if not derived and not key.startswith(DETECTOR_ONLY):
                comparison.missing.append(key)
        elif tensors[key].shape != tensor.shape:
            comparison.mismatched.append(
                {"key": key, "expected": list(tensor.shape), "actual": list(tensors[key].shape)}
            )
        elif not derived:
            comparison.parameters += tensor.numel()
    ignored = (key for key in tensors if not key.startswith(CLASSIFIER_ONLY) and not key.endswith(DERIVED))
    comparison.unexpected = [key for key in ignored if key not in expected]
    return comparison


def store(tensors: dict[str, Tensor], expected: dict[str, Tensor], into: Path, prefix: str = PREFIX) -> dict[str, Any]:
    """Writes the tensors that the model can load to `into`.safetensors, reproducibly. Raises OSError."""
    path = into.resolve().with_name(into.name + SUFFIX)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Copies: safetensors refuses tensors that share memory.
    kept = {prefix + key: tensors[key].contiguous().clone() for key in sorted(tensors) if key in expected}
    # Only one metadata entry: the order of several would vary between calls.
    content = safetensors.torch.save(kept, metadata={"format": "pt"})
    with write_atomic(path) as stream:
        stream.write(content)
    return {"path": str(path), "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
