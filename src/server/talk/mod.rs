//! Back channels (ONVIF Streaming Specification section 5.3): audio that clients send to the server,
//! one client at a time.
//!
//! A [`BackChannel`](channel::BackChannel) stands in the table of its server; the media sessions that
//! offer it name it by its id. A client that has set it up is its [`Talker`](talker::Talker) until
//! TEARDOWN, or until its session ends.

mod allowance;
pub(crate) mod channel;
pub(crate) mod channels;
pub(crate) mod description;
pub(crate) mod options;
pub(crate) mod sink;
pub(crate) mod talker;

pub(crate) use channels::BackChannels;
