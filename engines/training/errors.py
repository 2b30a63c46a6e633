"""What training refuses of its data."""

from livecassi.engines.errors import DatasetError


class TrainingDataError(DatasetError):
    """Scenes cannot be trained on: choose others, repair them, or convert them to what the message expects."""
