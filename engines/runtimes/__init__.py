"""Runtimes: the programs that execute a network, behind one contract. Importing this imports none of them."""
