"""How the score falls when one modality is damaged."""
