//! One guest with many bad behaviours, chosen by `healthCheck.config`, to prove that the host outlives them.
