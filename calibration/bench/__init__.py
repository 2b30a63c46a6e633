"""A simulated bench: moving scenes and the optics that code them."""
