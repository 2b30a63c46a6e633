"""The network for live video on a CPU: total variation first, a small network second."""
