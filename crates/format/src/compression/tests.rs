//! Round trips, foreign framings, and bounds.
