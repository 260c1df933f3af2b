"""Make one page of one executed notebook: cells, outputs and prose, the template and what pages share."""
