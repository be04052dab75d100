"""The acceleration switches of a plan (accelerate.py implements them)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Speed:
    """Switches that make training faster. With all off, MMDetection's unmodified code trains the recipe."""

    sdpa_attention: bool = False
    fused_adamw: bool = False
    channels_last: bool = False
    compile_backbone: bool = False
    tf32: bool = False
    half_precision_validation: bool = False
    fewer_syncs: bool = False
    expandable_segments: bool = False
    group_by_size: bool = False


# Names in the plan and their fields.
SWITCHES = {
    "sdpaAttention": "sdpa_attention",
    "fusedAdamW": "fused_adamw",
    "channelsLast": "channels_last",
    "compileBackbone": "compile_backbone",
    "tf32": "tf32",
    "halfPrecisionValidation": "half_precision_validation",
    "fewerSyncs": "fewer_syncs",
    "expandableSegments": "expandable_segments",
    "groupBySize": "group_by_size",
}
