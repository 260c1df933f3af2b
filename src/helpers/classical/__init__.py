"""Methods without a network: neighbours, trees, support vectors, and their validation curves."""
