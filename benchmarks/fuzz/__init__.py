"""Bad input, made by chance from good input: what mmstudy says to it."""
