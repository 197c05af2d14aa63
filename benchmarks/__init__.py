"""How fast the portal is, beside others and beside what its own rules would cost nowhere: `make bench`."""
