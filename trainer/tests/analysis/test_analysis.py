import base64
import copy
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from noisy import EMPTY, add_detection, detect

from contract import check_answer
from everswin_trainer.analysis.analyze import BOOTSTRAP_FILE, FILE, Subject, analyze, discard
from everswin_trainer.analysis.distribution import distribution
from everswin_trainer.analysis.drawing import LONG_SIDE, MAX_PICTURE_BYTES, encode, shrink
from everswin_trainer.analysis.gallery import IMAGES_PER_GROUP
from everswin_trainer.analysis.ground_truth import GroundTruth
from everswin_trainer.analysis.safe_text import MAX_UTF16_UNITS, safe_text
from everswin_trainer.data.sample_file import samples_file, write_samples
from everswin_trainer.metrics.coco_scores import evaluate
from everswin_trainer.metrics.scoring_truth import ScoringTruth

IDENTITY = {"checkpointSha256": "a" * 64, "annotationsSha256": "b" * 64, "planHash": "c" * 64}
HOSTILE = '<script>alert("x")</script>&amp;\u202e\x00\ud800'


@pytest.fixture(scope="module")
def content(mini_files: dict[str, bytes]) -> dict[str, Any]:
    return json.loads(mini_files["val.json"])


def analyzed(
    content: dict[str, Any],
    results: dict[str, list[dict[str, Any]]],
    folder: Path,
    images: dict[str, bytes] | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns analysis.json and bootstrap.json."""
    annotations = folder / "annotations.json"
    annotations.write_text(json.dumps(content))

    def read_image(name: str) -> np.ndarray:
        if images is None:
            [record] = [one for one in content["images"] if one["file_name"] == name]
            return np.zeros((record["height"], record["width"], 3), np.uint8)
        return cv2.imdecode(np.frombuffer(images[name], np.uint8), cv2.IMREAD_COLOR)

    analyze(Subject(IDENTITY, annotations, results, read_image, resamples=40), folder, lambda: None)
    bootstrap = folder / BOOTSTRAP_FILE
    return (
        check_answer("analysis", folder / FILE),
        check_answer("bootstrap", bootstrap) if bootstrap.exists() else {},
    )


@pytest.fixture(scope="module")
def complete(
    content: dict[str, Any], mini_files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("analysis")
    return *analyzed(content, detect(content, seed=3), folder, mini_files), folder


def test_class_scores_average_to_the_published_ap(complete: Any, content: dict[str, Any]) -> None:
    analysis, _, folder = complete
    published = evaluate(ScoringTruth.load(folder / "annotations.json"), detect(content, seed=3))
    for kind in ("bbox", "segm"):
        for name in ("AP", "AP50"):
            mean = np.mean([one[kind][name] for one in analysis["classes"]])
            assert mean == pytest.approx(published[kind][name], abs=1e-9)
    assert [one["name"] for one in analysis["classes"]] == ["circle", "rectangle", "triangle"]
    kept = [one for one in content["annotations"] if not one["iscrowd"]]
    assert sum(one["instances"] for one in analysis["classes"]) == len(kept)
    assert analysis["classes"][0]["images"] == len({one["image_id"] for one in kept if one["category_id"] == 1})


def test_precision_curves_decrease_and_average_to_the_score(complete: Any) -> None:
    analysis, _, folder = complete
    for kind in ("bbox", "segm"):
        curve = analysis["curves"][kind]["iou50"]
        assert len(curve) == 101
        assert curve == sorted(curve, reverse=True)
        assert np.mean(curve) == pytest.approx(np.mean([one[kind]["AP50"] for one in analysis["classes"]]), abs=1e-4)
        assert np.mean(analysis["classes"][1][kind]["curve"]) == pytest.approx(
            analysis["classes"][1][kind]["AP50"], abs=1e-4
        )


def test_object_counts_by_size_add_up_to_the_total(complete: Any, content: dict[str, Any]) -> None:
    analysis, _, _ = complete
    for kind in ("bbox", "segm"):
        errors = analysis["errors"][kind]
        assert sum(errors["objects"].values()) == sum(not one["iscrowd"] for one in content["annotations"])
        for size in ("small", "medium", "large"):
            assert errors["found"][size] + errors["kinds"]["missed"]["count"][size] <= errors["objects"][size]


def test_bootstrap_intervals_contain_the_scores_and_replicates_are_written(complete: Any) -> None:
    analysis, bootstrap, _ = complete
    assert analysis["bootstrap"]["resamples"] == bootstrap["resamples"] == 40
    for kind in ("bbox", "segm"):
        low, high = analysis["bootstrap"][kind]["AP"]
        score = np.mean([one[kind]["AP"] for one in analysis["classes"]])
        assert low < score < high < low + 0.3
        assert len(bootstrap[kind]["AP"]) == 40
        assert np.std(bootstrap[kind]["AP"]) > 0
        assert [len(one) for one in bootstrap[kind]["classes"]] == [40] * 3
    assert (bootstrap["annotationsSha256"], bootstrap["classes"]) == ("b" * 64, ["circle", "rectangle", "triangle"])


def test_gallery_shows_best_worst_and_random_images_without_repetition(complete: Any) -> None:
    gallery = complete[0]["gallery"]
    assert len({one["imageId"] for one in gallery}) == len(gallery)
    groups = [one["group"] for one in gallery]
    # A small data set is divided into thirds.
    third = -(-complete[0]["images"] // 3)
    assert third <= IMAGES_PER_GROUP
    assert groups == ["best"] * third + ["worst"] * third + ["random"] * (len(gallery) - 2 * third)
    f1 = {group: [one["f1"] for one in gallery if one["group"] == group] for group in ("best", "worst", "random")}
    assert f1["best"] == sorted(f1["best"], reverse=True)
    assert f1["worst"] == sorted(f1["worst"])
    assert f1["best"][-1] >= max(f1["random"]) >= min(f1["random"]) >= f1["worst"][-1]
    assert "0.3" in complete[0]["galleryRule"]


def test_gallery_pictures_are_clean_and_their_overlays_match_the_objects(
    complete: Any, mini_files: dict[str, bytes]
) -> None:
    for one in complete[0]["gallery"]:
        original = cv2.imdecode(np.frombuffer(mini_files[one["fileName"]], np.uint8), cv2.IMREAD_COLOR)
        jpeg = base64.b64decode(one["picture"]["image"], validate=True)
        shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert shown.shape == original.shape == (one["picture"]["height"], one["picture"]["width"], 3)
        assert np.abs(shown.astype(int) - original).mean() < 5
        for drawn in one["truth"]:
            x, y, w, h = drawn["box"]
            points = np.array(drawn["outlines"][0]).reshape(-1, 2)
            assert (points >= [x - 1, y - 1]).all()
            assert (points <= [x + w + 1, y + h + 1]).all()
        correct = sum(drawn["outcome"] == "correct" for drawn in one["predictions"])
        assert correct == sum(drawn["found"] for drawn in one["truth"])
        found = sorted(drawn["foundScore"] for drawn in one["truth"] if drawn["found"])
        assert found == sorted(drawn["score"] for drawn in one["predictions"] if drawn["outcome"] == "correct")
        for drawn in one["predictions"]:
            assert ("trueClass" in drawn) == (drawn["outcome"] in ("class", "both"))
            assert drawn.get("trueClass") != drawn["class"]
            assert (drawn["iou"] >= 0.5) >= (drawn["outcome"] == "correct")
        counted = [drawn for drawn in one["predictions"] if drawn["outcome"] != "ignored"]
        assert one["f1"] == pytest.approx(2 * correct / (len(counted) + len(one["truth"])))


def test_confusion_and_thresholds_agree_with_the_counted_errors(complete: Any) -> None:
    analysis = complete[0]
    for kind in ("bbox", "segm"):
        cells, background = analysis["confusion"][kind], len(analysis["classes"])
        assert cells == sorted(cells, key=lambda cell: -cell[2])
        objects = sum(count for actual, _, count in cells if actual != background)
        assert objects == sum(analysis["errors"][kind]["objects"].values())
        found = sum(one[kind]["counts"]["correct"][30] for one in analysis["classes"])
        assert found == sum(analysis["errors"][kind]["found"].values())
        for one in analysis["classes"]:
            suggested, counts = one[kind]["suggested"], one[kind]["counts"]
            at = round(100 * suggested["score"])
            assert suggested["recall"] == pytest.approx(counts["correct"][at] / one["instances"], abs=1e-4)
        assert analysis["thresholds"][kind]["suggested"]["f1"] == max(analysis["thresholds"][kind]["f1"])


def test_distribution_of_the_samples_equals_that_of_the_annotations(content: dict[str, Any], tmp_path: Path) -> None:
    annotations = tmp_path / "train.json"
    annotations.write_text(json.dumps(content))
    write_samples(annotations)
    found = distribution(GroundTruth.load(annotations), samples_file(annotations), lambda: None)
    assert found["train"] == found["val"]
    kept = [one for one in content["annotations"] if not one["iscrowd"]]
    assert found["val"]
    assert found["val"]["objects"] == [
        sum(one["category_id"] == category["id"] for one in kept) for category in content["categories"]
    ]
    assert sum(found["val"]["sizes"].values()) == len(kept)
    assert found["val"]["emptyImages"] == len(content["images"]) - len({one["image_id"] for one in kept})


def test_names_from_the_data_set_are_kept_unless_utf8_cannot_encode_them(
    content: dict[str, Any], tmp_path: Path
) -> None:
    content = copy.deepcopy(content)
    content["categories"][0]["name"] = HOSTILE
    content["categories"][1]["name"] = "a" * 9 * MAX_UTF16_UNITS
    for image in content["images"]:
        image["file_name"] = f"../{HOSTILE}/{image['id']}"
    analysis, bootstrap = analyzed(content, detect(content, seed=4), tmp_path)
    encodable = HOSTILE.replace("\ud800", "?")
    assert [one["name"] for one in analysis["classes"]] == [encodable, "a" * MAX_UTF16_UNITS, "triangle"]
    assert bootstrap["classes"] == [encodable, "a" * MAX_UTF16_UNITS, "triangle"]
    assert {one["fileName"] for one in analysis["gallery"]} == {
        f"../{encodable}/{one['imageId']}" for one in analysis["gallery"]
    }


def test_safe_text_truncates_by_utf16_units_without_splitting_a_character() -> None:
    assert safe_text("\N{GRINNING FACE}" * MAX_UTF16_UNITS) == "\N{GRINNING FACE}" * (MAX_UTF16_UNITS // 2)
    assert safe_text("x" + "\N{GRINNING FACE}" * MAX_UTF16_UNITS) == "x" + "\N{GRINNING FACE}" * (
        MAX_UTF16_UNITS // 2 - 1
    )


def test_analysis_scores_zero_and_shows_the_objects_when_nothing_is_detected(
    content: dict[str, Any], tmp_path: Path
) -> None:
    analysis, bootstrap = analyzed(content, EMPTY, tmp_path)
    assert {one["bbox"]["AP"] for one in analysis["classes"]} == {0}
    assert set(analysis["curves"]["segm"]["mean"]) == {0}
    kinds = analysis["errors"]["bbox"]["kinds"]
    assert kinds["missed"]["count"] == analysis["errors"]["bbox"]["objects"]
    assert set(bootstrap["bbox"]["AP"]) == {0}
    assert {one["f1"] for one in analysis["gallery"]} == {0}


def test_mean_scores_exclude_classes_without_ground_truth(content: dict[str, Any], tmp_path: Path) -> None:
    content = copy.deepcopy(content)
    content["categories"].append({"id": 99, "name": "absent"})
    analysis, bootstrap = analyzed(content, detect(content, seed=5), tmp_path)
    absent = analysis["classes"][-1]
    assert (absent["images"], absent["instances"]) == (0, 0)
    assert set(absent["bbox"]) - {key for key, value in absent["bbox"].items() if value is None} == {"counts"}
    assert set(bootstrap["segm"]["classes"][-1]) == {None}
    assert None not in bootstrap["segm"]["AP"]
    assert analysis["curves"]["bbox"]["iou50"] is not None


def test_analysis_accepts_a_single_image_and_no_ground_truth(content: dict[str, Any], tmp_path: Path) -> None:
    content = {**content, "images": content["images"][:1], "annotations": []}
    results: dict[str, list[dict[str, Any]]] = {"bbox": [], "segm": []}
    add_detection(results, content["images"][0], 7, [5, 5, 30, 30], 0.8)
    analysis, bootstrap = analyzed(content, results, tmp_path)
    assert (analysis["bootstrap"], bootstrap) == (None, {})
    assert analysis["curves"]["bbox"] == {"iou50": None, "iou75": None, "mean": None}
    assert analysis["errors"]["segm"]["kinds"]["background"] == {
        "count": {"small": 1, "medium": 0, "large": 0},
        "ap50Lost": None,
    }
    assert [one["predictions"][0]["outcome"] for one in analysis["gallery"]] == ["background"]


def test_pictures_stay_within_the_size_limit_for_any_content() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (2000, 3000, 3)).astype(np.uint8)
    picture = shrink(noise)
    assert picture.shape == (320, LONG_SIDE, 3)
    noise = np.random.default_rng(0).integers(0, 255, (LONG_SIDE, LONG_SIDE, 3)).astype(np.uint8)
    assert len(base64.b64decode(encode(noise))) <= MAX_PICTURE_BYTES


def test_discard_removes_the_files_of_an_earlier_test(complete: Any, tmp_path: Path) -> None:
    for name in (FILE, BOOTSTRAP_FILE):
        (tmp_path / name).write_text("{}")
    discard(tmp_path)
    discard(tmp_path)
    assert list(tmp_path.iterdir()) == []
