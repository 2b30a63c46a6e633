"""The arithmetic of a network."""

from enum import StrEnum


class Precision(StrEnum):
    """What convolutions and matrix products compute in; norms, softmax, logits and gates stay in fp32 in all three."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"
