"""The networks: the ResNets of Table 1 and Table 3."""
