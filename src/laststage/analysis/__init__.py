"""What images hold: weights, programs, and how two of them compare."""
