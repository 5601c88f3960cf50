"""Other programs that move the bytes in our place, chosen for each drop folder (``engine:``)."""
