"""Teach ForgeryVLM: the localiser first, then words, verdict and mask together."""
