"""Pretrained weights: read without running anything, converted, compared with a recipe's, stored.

Here is what a backbone and a whole detector (detector_weights.py) share, and the backbone.
"""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from everswin_trainer.model import mmcv_ops
from everswin_trainer.system.atomic_file import write_atomic

# What an ImageNet classifier has and a detector's backbone lacks.
CLASSIFIER_ONLY = ("head.", "norm.")
# Derived from the window size at every start, never learned.
DERIVED = ("relative_position_index", "attn_mask")
# The norms behind each stage are the detector's own; an ImageNet file cannot have them.
DETECTOR_ONLY = ("norm0", "norm1", "norm2", "norm3")
# MMDetection takes only keys that begin so.
PREFIX = "backbone."
# What stands beside the backbone in a whole detector.
DETECTOR_PARTS = ("neck.", "rpn_head.", "roi_head.", "bbox_head.", "mask_head.")
SUFFIX = ".safetensors"

REASON_CHARACTERS = 200
UNPICKLER = "WeightsUnpickler error:"
SENTENCE_END = re.compile(r"\n|(?<=[.?])\s")
ADVICE = re.compile(r"load failed|In PyTorch|Re-running|trust|[Pp]lease|Check the doc|Alternatively|Could this error")

# More than any backbone has, and a header of so many.
MOST_TENSORS = 10_000
LONGEST_KEY = 300
MOST_HEADER_BYTES = 1 << 20
DTYPES = {torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.int32}


class Refused(Exception):
    """The file is not a plain dictionary of tensors, or cannot be converted."""


def read_backbone(path: Path, backbone: Any) -> dict[str, Tensor]:
    """Tensors in MMDetection's layout, by name. `backbone` is the recipe's config of it. Raises Refused.

    Nothing that the file holds is run, and its name says nothing.
    """
    given = read_tensors(path)
    if holds_detector(given):
        raise Refused(
            f"{path.name} holds a whole detector, where the weights of a backbone alone were expected: "
            "name it in weights.detector instead of weights.backbone"
        )
    return convert(given, backbone)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """As they came, by name. Raises Refused."""
    content = load_safetensors(path) if looks_like_safetensors(path) else load_pickle(path)
    return named_tensors(content, path)


def holds_detector(given: dict[str, Tensor]) -> bool:
    return any(key.startswith(DETECTOR_PARTS) for key in given)


def looks_like_safetensors(path: Path) -> bool:
    """Eight bytes of length, then JSON. No pickle and no archive begins so."""
    with open(path, "rb") as stream:
        return stream.read(9)[8:] == b"{"


def require_converted(path: Path) -> None:
    """Raises ValueError for a detector's file that was never looked at."""
    if not looks_like_safetensors(path):
        raise ValueError(f"expected {path} to be what convert-weights --part detector made, got another kind of file")


def load_safetensors(path: Path) -> dict[str, Tensor]:
    with open(path, "rb") as stream:
        header_bytes = int.from_bytes(stream.read(8), "little")
    if header_bytes > MOST_HEADER_BYTES:
        raise Refused(f"{path.name} announces a header of {header_bytes} bytes; a backbone's has some 50,000")
    try:
        return safetensors.torch.load_file(path)
    except Exception as error:
        raise Refused(f"safetensors refuses {path.name}: {reason(error)}") from error


def load_pickle(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # Bytes that are no pickle make the unpickler raise anything at all.
        raise Refused(f"torch.load(weights_only=True) refuses {path.name}: {reason(error)}") from error


def reason(error: Exception) -> str:
    """The sentence that says why; most of torch's message advises how to run the file's code after all."""
    sentences = [one for one in SENTENCE_END.split(str(error)) if not ADVICE.search(one)]
    told = (one.rpartition(UNPICKLER)[2].strip() for one in sentences)
    text = next(filter(None, told), type(error).__name__)[:REASON_CHARACTERS]
    # Names in a file may hold what makes a terminal do things.
    return "".join(one if one.isprintable() else "?" for one in text)


def named_tensors(content: Any, path: Path) -> dict[str, Tensor]:
    """From under `state_dict` or `model` where there is one. Raises Refused for what no honest file holds."""
    for wrapper in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise Refused(f"{path.name} holds something else than named tensors")
    if len(content) > MOST_TENSORS:
        raise Refused(f"{path.name} holds {len(content)} tensors; a backbone has some hundreds")
    size = path.stat().st_size
    for key, tensor in content.items():
        if not isinstance(key, str) or not key.isprintable() or len(key) > LONGEST_KEY:
            raise Refused(f"{path.name} holds a tensor under a name that is none")
        _refuse_odd(key, tensor, size)
    return content


def _refuse_odd(key: str, tensor: Tensor, file_bytes: int) -> None:
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.dtype not in DTYPES:
        raise Refused(f"{key} is no plain tensor of numbers: {tensor.layout}, {tensor.device}, {tensor.dtype}")
    # Its strides may let a few bytes stand for a terabyte, and an archive may unpack to one.
    if tensor.numel() * tensor.element_size() > file_bytes:
        raise Refused(f"{key} is larger than the whole file: {list(tensor.shape)} of {tensor.dtype}")
    if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
        raise Refused(f"{key} holds numbers that are not finite")


def convert(given: dict[str, Tensor], backbone: Any) -> dict[str, Tensor]:
    """To MMDetection's key layout, by MMDetection's own converter where the recipe asks for it."""
    is_converted = any(key.startswith(PREFIX) for key in given)
    if backbone.get("convert_weights") and not is_converted:
        given = from_swin_layout(given)
    return {key.removeprefix(PREFIX): value for key, value in given.items()}


def from_swin_layout(given: dict[str, Tensor]) -> dict[str, Tensor]:
    """A backbone under the names of the Swin authors' repository -> MMDetection's, which begin with PREFIX.

    MMDetection merges patches in another order, so its converter permutes what follows a merge. Raises Refused.
    """
    mmcv_ops.install()
    from mmdet.models.backbones.swin import swin_converter

    try:
        return swin_converter(given)
    except Exception as error:
        raise Refused(f"its tensors cannot be converted from the Swin repository's layout: {reason(error)}") from error


def expected_tensors(backbone: Any) -> dict[str, Tensor]:
    """What the recipe's backbone learns, and its buffers."""
    return build_model({**backbone, "init_cfg": None}).state_dict()


def build_model(settings: Any) -> torch.nn.Module:
    """A part of a recipe, or all of it, as MMDetection builds it: not yet initialised."""
    mmcv_ops.install()
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules

    register_all_modules(init_default_scope=True)
    return MODELS.build(settings)


@dataclass
class Comparison:
    """`parameters` counts the numbers that fit."""

    parameters: int = 0
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    mismatched: list[dict[str, Any]] = field(default_factory=list)

    @property
    def fits(self) -> bool:
        return not (self.missing or self.unexpected or self.mismatched)


def compare(given: dict[str, Tensor], expected: dict[str, Tensor]) -> Comparison:
    found = Comparison()
    for key, tensor in expected.items():
        derived = key.endswith(DERIVED)
        if key not in given:
            if not derived and not key.startswith(DETECTOR_ONLY):
                found.missing.append(key)
        elif given[key].shape != tensor.shape:
            found.mismatched.append({"key": key, "expected": list(tensor.shape), "actual": list(given[key].shape)})
        elif not derived:
            found.parameters += tensor.numel()
    ignored = (key for key in given if not key.startswith(CLASSIFIER_ONLY) and not key.endswith(DERIVED))
    found.unexpected = [key for key in ignored if key not in expected]
    return found


def store(given: dict[str, Tensor], expected: dict[str, Tensor], into: Path, prefix: str = PREFIX) -> dict[str, Any]:
    """What the model can take, as `into`.safetensors; the same tensors are the same bytes. Raises OSError."""
    path = into.resolve().with_name(into.name + SUFFIX)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Copies: safetensors refuses tensors that share memory.
    kept = {prefix + key: given[key].contiguous().clone() for key in sorted(given) if key in expected}
    # One entry of metadata, as others write it: of several the order would change from call to call.
    content = safetensors.torch.save(kept, metadata={"format": "pt"})
    with write_atomic(path) as stream:
        stream.write(content)
    return {"path": str(path), "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
