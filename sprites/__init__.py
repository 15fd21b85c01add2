"""The recipe that makes ``builtin:sprites``: art, world, autoencoder, text encoder, denoiser, checks."""
