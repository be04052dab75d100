"""Which of the switches that make training faster a plan turns on. What they do: accelerate.py."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Speed:
    """All off: the recipe to the letter, on MMDetection's own code."""

    sdpa_attention: bool = False
    fused_adamw: bool = False
    channels_last: bool = False
    compile_backbone: bool = False
    half_precision_validation: bool = False


# As the plan spells them.
SWITCHES = {
    "sdpaAttention": "sdpa_attention",
    "fusedAdamW": "fused_adamw",
    "channelsLast": "channels_last",
    "compileBackbone": "compile_backbone",
    "halfPrecisionValidation": "half_precision_validation",
}
