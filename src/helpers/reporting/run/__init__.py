"""Run notebooks: what is stale, with which parameters, in a process of its own, and what is said meanwhile."""
