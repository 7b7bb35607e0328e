"""How good is the model on these labelled images? The line: entries -> images -> scores -> findings -> page."""
