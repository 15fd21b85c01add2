"""The stages that learn: autoencoder, picture-text pairs (text encoder, judge), denoiser."""
