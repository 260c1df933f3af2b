"""Make the front page: results beside the published claims, every model, a card per report, the search."""
