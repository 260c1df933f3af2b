"""A frozen spec in, a run out: recipes, the compiled step, the store, processes or a cluster, committed records."""
