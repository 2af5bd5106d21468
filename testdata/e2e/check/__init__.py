"""singer-check-tap reads every stream of every source."""
