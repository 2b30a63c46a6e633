"""Weights: tensors of a network in a file with a card that says what they are. Importing this does not import torch."""

from livecassi.engines.weights.arrays import load_arrays
from livecassi.engines.weights.card import (
    CARD_KEY,
    ModelCard,
    SourceFile,
    TrainingState,
    WeightsCard,
    mask_id,
)
from livecassi.engines.weights.checkpoint import read_checkpoint
from livecassi.engines.weights.file import load_state, save_weights, verify_weights
from livecassi.engines.weights.header import Header, card_of, is_safetensors, read_card, read_header

__all__ = [
    "CARD_KEY",
    "Header",
    "ModelCard",
    "SourceFile",
    "TrainingState",
    "WeightsCard",
    "card_of",
    "is_safetensors",
    "load_arrays",
    "load_state",
    "mask_id",
    "read_card",
    "read_checkpoint",
    "read_header",
    "save_weights",
    "verify_weights",
]
