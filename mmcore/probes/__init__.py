"""Questions to a trained model besides its score: does it read what it must not, what does it do without a modality?"""
