//! RTCP packets (RFC 3550 section 6, RFC 3611, RFC 4585 section 6, RFC 5104 section 4.3.1).
//!
//! To read, start with [`Compound`], which iterates over the packets of a datagram. The `write_`
//! functions append packets to a buffer.

mod app;
mod bye;
mod compound;
mod fb;
mod header;
mod ntp;
mod rr;
pub mod sdes;
mod sr;
#[cfg(test)]
mod tests;
mod xr;

pub use app::{App, write_app};
pub use bye::{Bye, write_bye};
pub use compound::{Compound, Packet, Packets};
pub use fb::{Feedback, Fir, Nack, write_fir, write_nack, write_pli};
pub use header::{MAX_COUNT, packet_type};
pub use ntp::NtpTime;
pub use rr::{ReceiverReport, ReportBlock, ReportBlocks, write_rr};
pub use sdes::{Sdes, SdesChunk, SdesItem, write_sdes, write_sdes_cname};
pub use sr::{SenderInfo, SenderReport, write_sr};
pub use xr::{Dlrr, ExtendedReport, ReportedDelays, XrBlock, write_xr_dlrr, write_xr_rrtr};
