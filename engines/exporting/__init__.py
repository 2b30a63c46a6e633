"""Networks as ONNX files: written once, run by whichever runtime a machine has."""
