"""Compare: results with those of a revision (`make diff`), and a notebook over lists of parameters (`make study`)."""
