"""The link layer between devices: frames, sequence numbers, checks, credits, replay and training."""
