//! H.264 framer.
