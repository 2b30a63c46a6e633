"""TensorRT 10 and 11 and TensorRT-RTX behind one adapter. Importing this imports none of them."""
