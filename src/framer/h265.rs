//! H.265 framer.
