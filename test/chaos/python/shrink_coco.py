"""Reduce an archive of COCO annotations to a number of images: shrink_coco.py ZIP TRAIN VAL."""

import json
import sys
import zipfile

archive, counts = sys.argv[1], {"train": int(sys.argv[2]), "val": int(sys.argv[3])}
with zipfile.ZipFile(archive) as before:
    contents = {name: json.loads(before.read(name)) for name in before.namelist() if name.endswith(".json")}
for name, content in contents.items():
    count = counts["train" if "train" in name else "val"]
    # The recipe filters out images without objects.
    shown = {one["image_id"] for one in content["annotations"]}
    content["images"] = [one for one in content["images"] if one["id"] in shown][:count]
    kept = {one["id"] for one in content["images"]}
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] in kept]
with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as after:
    for name, content in contents.items():
        after.writestr(name, json.dumps(content))
