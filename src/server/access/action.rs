//! [`Action`]: what a request does with a stream.

/// What is done with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// DESCRIBE, and GET_PARAMETER of what the application knows.
    Describe,
    /// SETUP and PLAY.
    Play,
    /// ANNOUNCE and RECORD.
    Publish,
    /// SET_PARAMETER.
    Control,
    /// Audio to the back channel (ONVIF Streaming Specification section 5.3).
    Talk,
}
