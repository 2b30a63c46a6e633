"""Networks that reconstruct one frame at a time: HSRA, HSRA-DUM, MST, BiSRNet, and the prior that plugs into them."""
