"""Why a queued VM does not start."""
