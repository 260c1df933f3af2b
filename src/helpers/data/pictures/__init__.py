"""Any picture of a digit into the form of MNIST: opened, ink told from paper, its strokes found, 28 x 28."""
