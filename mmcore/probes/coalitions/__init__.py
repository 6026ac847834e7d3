"""What a trained model scores on each subset of its modalities, the others masked."""
