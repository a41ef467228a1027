"""From a float network to integers: ranges, binary points, quantisation."""
