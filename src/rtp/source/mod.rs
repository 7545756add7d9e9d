//! [`RtpSource`]: in progress.

/// In progress.
#[derive(Debug)]
pub struct RtpSource;
/// In progress.
#[derive(Debug)]
pub struct RtpSourceConfig;
