"""How each arm's score falls when its inputs are damaged."""
