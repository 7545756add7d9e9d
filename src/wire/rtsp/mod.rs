//! RTSP 1.0 messages and headers (RFC 2326).
//!
//! [`Decoder`] reads [`Request`]s, [`Response`]s and interleaved packets from a connection's input,
//! and [`ResyncDecoder`] does so for a client, however little the server keeps to the rules;
//! [`Request::write`] and [`ResponseWriter`] serialize messages. Headers with a syntax of their own
//! have a type each: [`Transport`], [`RangeHeader`], [`SessionHeader`], [`RtpInfo`]. A client reads
//! those of responses with their `of_answer` functions, which accept more than a server should.

pub mod accept;
mod answer;
pub mod date;
mod headers;
pub mod message;
pub mod numbers;
pub mod parser;
pub mod range;
pub mod rtp_info;
pub mod session;
pub mod status;
pub mod transport;

pub use headers::Headers;
pub use message::{Method, Request, RequestUri, Response, ResponseWriter, Version};
pub use parser::{
    Decoder, HeadError, HeadErrorKind, Incoming, Limits, ResyncDecoder, Skipped, parse,
};
pub use range::{NptTime, Range, RangeError, RangeHeader, SmpteTime, SmpteType};
pub use rtp_info::{RtpInfo, RtpInfoEntry};
pub use session::SessionHeader;
pub use status::StatusCode;
pub use transport::{Delivery, Protocol, Transport, TransportSpec};
