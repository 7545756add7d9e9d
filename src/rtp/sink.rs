//! [`RtpSink`]: cuts frames into batches of RTP packets, once for all destinations. Maintainers
//! should know RFC 3550 section 5.1.

mod relay;

use crate::error::Error;
use crate::frame::Frame;
use crate::payload::{
    PacketBuffer, PacketSpan, Packetizer, PayloadFormat, RTP_HEADER_LEN, TCP_PREFIX_LEN, UnsentData,
};
use crate::wire::rtp::write_header;
use byteorder::{BigEndian, ByteOrder};
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Default size of an RTP packet in bytes, header included: the payload of an Ethernet frame of
/// 1,500 bytes below IPv6 and UDP, less four bytes for the interleaving prefix.
pub const DEFAULT_MAX_PACKET: usize = 1448;

/// The permitted range of the size of an RTP packet: below, no payload format works; above, the
/// length does not fit into an interleaving prefix (RFC 2326 section 10.12).
const PACKET_RANGE: RangeInclusive<usize> = RTP_HEADER_LEN + 64..=u16::MAX as usize;

/// Bit of the first byte of a header that is followed by an extension (RFC 3550 section 5.1).
const HAS_EXTENSION: u8 = 0x10;

/// Checks that payload formats and transports work with this packet size.
pub(crate) fn check_max_packet(max_packet: usize) -> Result<(), Error> {
    if PACKET_RANGE.contains(&max_packet) {
        return Ok(());
    }
    Err(Error::Usage("an RTP packet has 76 to 65,535 bytes: max_packet is out of that range"))
}

/// Cuts the frames of one stream into RTP packets.
///
/// A stream has one sink, whatever its destinations. The sink writes packets into a
/// [`PacketBuffer`] that the caller passes in, and keeps none: the caller sends them, or keeps the
/// buffer until it can. Sequence numbers and the time line continue through pauses and seeks.
///
/// Call [`handle_frame`](Self::handle_frame) for every frame, [`flush`](Self::flush) before a pause
/// and at the end, and [`reset`](Self::reset) at a seek.
///
/// ```
/// use riverrun::Frame;
/// use riverrun::codec::CodecParameters;
/// use riverrun::payload::{FormatRegistry, PacketBuffer};
/// use riverrun::rtp::{DEFAULT_MAX_PACKET, RtpSink};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), riverrun::Error> {
/// let track = CodecParameters::Mp2t;
/// let random = [7; 12]; // of the operating system
/// let formats = FormatRegistry::standard();
/// let format = formats.format(&track, 96)?;
/// let mut sink = RtpSink::new(&format, formats.packetizer(&track)?, DEFAULT_MAX_PACKET, random)?;
/// let at = Duration::from_millis(40);
/// let frame = Frame::new(vec![0x47; 14 * 188], at, at);
/// let mut batch = PacketBuffer::default();
/// sink.handle_frame(&frame, at, &mut batch);
/// assert_eq!(batch.spans().len(), 2);
/// let datagram = batch.packet(0).expect("the first of two");
/// assert_eq!(datagram.len(), 12 + 7 * 188);
/// # Ok(())
/// # }
/// ```
pub struct RtpSink {
    packetizer: Box<dyn Packetizer>,
    max_packet: usize,
    /// Most bytes of a packet after the RTP header.
    max_payload: usize,
    ssrc: u32,
    payload_type: u8,
    clock_rate: u32,
    sequence: u16,
    timestamp_base: u32,
    /// Timestamp of the last frame packetized, to which the lags of a flush refer.
    timestamp: u32,
    /// Timestamp of the first frame that the packetizer holds back.
    held: Option<u32>,
    alignment: Option<Alignment>,
    packet_count: u32,
    octet_count: u32,
    dropped_batches: u64,
}

/// If a source's time line shifts against the stream's by more than this, it has started over;
/// smaller shifts follow a clock, and need no new packet.
const LEAP_NANOS: u128 = 2_000_000;

/// The offset between the time lines of source and stream, until the former starts over: by a seek,
/// a repetition or a discontinuity.
#[derive(Clone, Copy)]
struct Alignment {
    /// Running time minus presentation time in nanoseconds.
    offset: i128,
    /// The offset in timestamp units, including the timestamp base, rounded once: if it were
    /// rounded for each frame, the timestamps of audio would sometimes be off by a unit.
    shift: u32,
}

impl fmt::Debug for RtpSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtpSink")
            .field("ssrc", &format_args!("{:08x}", self.ssrc))
            .field("payload_type", &self.payload_type)
            .field("sequence", &self.sequence)
            .field("timestamp", &self.timestamp)
            .finish_non_exhaustive()
    }
}

impl RtpSink {
    /// Creates a sink for tracks of `format`. `max_packet` is the greatest size of a packet in
    /// bytes, RTP header included; `random` provides the SSRC, the first sequence number and the
    /// timestamp base, which RFC 3550 requires to be unpredictable.
    ///
    /// # Errors
    /// [`Error::Usage`]: `max_packet` is not in the range 76 to 65,535, the payload type does not
    /// fit into 7 bits, or the clock rate is 0.
    pub fn new(
        format: &PayloadFormat,
        packetizer: Box<dyn Packetizer>,
        max_packet: usize,
        random: [u8; 12],
    ) -> Result<Self, Error> {
        check_max_packet(max_packet)?;
        if format.payload_type > 127 {
            return Err(Error::Usage("an RTP payload type is 0 to 127"));
        }
        if format.clock_rate == 0 {
            return Err(Error::Usage("an RTP clock rate is at least 1 Hz"));
        }
        let timestamp_base = BigEndian::read_u32(&random[4..8]);
        Ok(Self {
            packetizer,
            max_packet,
            max_payload: max_packet - RTP_HEADER_LEN,
            // Many programs take 0 for "not known yet".
            ssrc: BigEndian::read_u32(&random[..4]).max(1),
            payload_type: format.payload_type,
            clock_rate: format.clock_rate,
            // Far from the wrap, as RFC 3711 section 3.3.1 advises: a receiver that loses the
            // first packets could otherwise not tell how often the number has wrapped.
            sequence: BigEndian::read_u16(&random[8..10]) & 0x7fff,
            timestamp_base,
            timestamp: timestamp_base,
            held: None,
            alignment: None,
            packet_count: 0,
            octet_count: 0,
            dropped_batches: 0,
        })
    }

    /// Returns the SSRC of the stream.
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Changes the SSRC, after a collision (RFC 3550 section 8.2). The counters restart at 0.
    pub fn change_ssrc(&mut self, ssrc: u32) {
        self.ssrc = ssrc;
        self.packet_count = 0;
        self.octet_count = 0;
    }

    /// Number of bytes by which packets are smaller than configured.
    pub(crate) const fn room_left(&self) -> usize {
        self.max_packet - RTP_HEADER_LEN - self.max_payload
    }

    /// Makes packets smaller by `bytes` than configured, because they grow by as much before they
    /// are sent. Must be called before the first packet.
    ///
    /// # Errors
    /// [`Error::Usage`]: less than 76 bytes would be left.
    pub(crate) fn leave_room(&mut self, bytes: usize) -> Result<(), Error> {
        let max_packet = self.max_packet.saturating_sub(bytes);
        check_max_packet(max_packet)?;
        self.max_payload = max_packet - RTP_HEADER_LEN;
        Ok(())
    }

    /// Returns the RTP payload type.
    pub const fn payload_type(&self) -> u8 {
        self.payload_type
    }

    /// Changes the payload type (0–127), before the first packet.
    pub const fn set_payload_type(&mut self, payload_type: u8) {
        self.payload_type = payload_type & 0x7f;
    }

    /// Returns the RTP clock rate in Hz.
    pub const fn clock_rate(&self) -> u32 {
        self.clock_rate
    }

    #[cfg(all(test, feature = "srtp"))]
    pub(crate) const fn set_sequence(&mut self, sequence: u16) {
        self.sequence = sequence;
    }

    /// Returns the sequence number of the next packet.
    pub const fn next_sequence(&self) -> u16 {
        self.sequence
    }

    /// Returns the number of packets since the stream or its SSRC began, modulo 2³² (for sender
    /// reports).
    pub const fn packet_count(&self) -> u32 {
        self.packet_count
    }

    /// Returns the number of payload octets since the stream or its SSRC began, modulo 2³² (for
    /// sender reports).
    pub const fn octet_count(&self) -> u32 {
        self.octet_count
    }

    /// Returns the number of calls whose packets were dropped because the packetizer violated its
    /// contract: a packet had more than [`PacketBuffer::max_payload`] bytes, or was not finished.
    /// The length of such a packet might not fit into an interleaving prefix (RFC 2326 section
    /// 10.12), which would corrupt the rest of the connection.
    pub const fn dropped_batches(&self) -> u64 {
        self.dropped_batches
    }

    /// Returns what the packetizer has dropped because it cannot be sent.
    pub fn unsent(&self) -> UnsentData {
        self.packetizer.unsent()
    }

    /// Returns whether the packetizer holds frames back, to share a packet with later ones.
    pub fn holds_back(&self) -> bool {
        self.packetizer.holds_back()
    }

    /// Returns the RTP timestamp of the packet that is being filled, if the packetizer holds frames
    /// back.
    pub const fn held_timestamp(&self) -> Option<u32> {
        self.held
    }

    /// Returns the RTP timestamp at a running time: the stream's own time since its creation, which
    /// is continuous through seeks and pauses.
    pub fn timestamp_at(&self, running_time: Duration) -> u32 {
        self.timestamp_base.wrapping_add(self.units(running_time))
    }

    /// Rounds to the nearest unit: times in nanoseconds are rounded themselves, and truncation
    /// would make every third frame of 44.1 kHz audio overlap its neighbour by a sample.
    fn units(&self, time: Duration) -> u32 {
        let rate = u64::from(self.clock_rate);
        let whole = time.as_secs().wrapping_mul(rate);
        let part = (u64::from(time.subsec_nanos()) * rate + 500_000_000) / 1_000_000_000;
        whole.wrapping_add(part) as u32
    }

    /// Returns the RTP timestamp that a frame with `pts`, presented at `running_time`, would get if
    /// it were the next (for RTP-Info). It may differ from [`timestamp_at`](Self::timestamp_at) by
    /// a unit: between two seeks, timestamps follow the differences of `pts`, which are closer to
    /// the samples.
    pub fn timestamp_of(&self, pts: Duration, running_time: Duration) -> u32 {
        self.units(pts).wrapping_add(self.align(pts, running_time).shift)
    }

    fn align(&self, pts: Duration, running_time: Duration) -> Alignment {
        let nanos = |time: Duration| i128::try_from(time.as_nanos()).unwrap_or(i128::MAX);
        let offset = nanos(running_time).saturating_sub(nanos(pts));
        self.alignment.filter(|alignment| alignment.offset == offset).unwrap_or_else(|| {
            let shift = self.timestamp_at(running_time).wrapping_sub(self.units(pts));
            Alignment { offset, shift }
        })
    }

    /// Packetizes a frame that is presented at `running_time` into `batch`, whose previous packets
    /// are removed. The batch is then ready to be sent, with interleaving prefixes for channel 0
    /// (see [`set_channel`](Self::set_channel)); it is empty if the packetizer holds the frame
    /// back.
    ///
    /// Only the memory of `batch` is reused: one buffer can serve many sinks in succession, and no
    /// packet is copied.
    ///
    /// Frames held back from another time line are sent first: they cannot share a packet with this
    /// frame, since their timestamps cannot be derived from its timestamp.
    pub fn handle_frame(
        &mut self,
        frame: &Frame,
        running_time: Duration,
        batch: &mut PacketBuffer,
    ) {
        let alignment = self.align(frame.pts, running_time);
        batch.begin(self.max_payload);
        let leapt = |before: Alignment| before.offset.abs_diff(alignment.offset) > LEAP_NANOS;
        if self.packetizer.holds_back() && self.alignment.is_some_and(leapt) {
            self.flush(batch);
        }
        let flushed = batch.spans().len();
        self.alignment = Some(alignment);
        self.timestamp = self.units(frame.pts).wrapping_add(alignment.shift);
        self.packetizer.packetize(frame, batch);
        // What waited before this frame is in the batch, if there is one.
        let waited = self.held.take().filter(|_| batch.is_empty());
        self.held = self.packetizer.holds_back().then(|| waited.unwrap_or(self.timestamp));
        self.fill_in_headers(batch, flushed);
    }

    /// Packetizes the frames held back into `batch`, whose previous packets are removed: before a
    /// pause and at the end. The timestamp lags of these packets refer to the last frame.
    pub fn flush(&mut self, batch: &mut PacketBuffer) {
        batch.begin(self.max_payload);
        self.held = None;
        self.packetizer.flush(batch);
        self.fill_in_headers(batch, 0);
    }

    /// Drops the frames held back, at a seek.
    pub fn reset(&mut self) {
        self.held = None;
        self.packetizer.reset();
    }

    /// Writes `channel` into the interleaving prefixes of all packets. If they have it already,
    /// only one byte is read.
    pub fn set_channel(batch: &mut PacketBuffer, channel: u8) {
        let count = batch.spans().len();
        for i in 0..count {
            let Some(at) = batch.spans().get(i).map(|s| s.start - TCP_PREFIX_LEN + 1) else {
                return;
            };
            match batch.bytes_mut().get_mut(at) {
                // All packets of a batch have the same channel.
                Some(byte) if *byte == channel => return,
                Some(byte) => *byte = channel,
                None => return,
            }
        }
    }

    /// Fills in the headers of the packets from number `first` on.
    fn fill_in_headers(&mut self, batch: &mut PacketBuffer, first: usize) {
        if !batch.is_well_formed() {
            if self.dropped_batches == 0 {
                log::warn!(
                    "{:08x}: the packetizer makes packets that cannot be sent, of more than {} \
                     bytes of payload or unfinished: they are dropped",
                    self.ssrc,
                    self.max_payload,
                );
            }
            self.dropped_batches += 1;
            batch.clear();
        }
        for i in first..batch.spans().len() {
            let Some(&span) = batch.spans().get(i) else { return };
            self.fill_in_header(batch, span);
        }
    }

    fn fill_in_header(&mut self, batch: &mut PacketBuffer, span: PacketSpan) {
        let from = span.start - TCP_PREFIX_LEN;
        let Some(head) = batch.bytes_mut().get_mut(from..span.start + RTP_HEADER_LEN) else {
            return;
        };
        let Some((prefix, header)) = head.split_first_chunk_mut::<TCP_PREFIX_LEN>() else { return };
        let Some(header) = header.first_chunk_mut() else { return };
        let [high, low] = (span.len as u16).to_be_bytes();
        *prefix = [b'$', 0, high, low];
        let timestamp = self.timestamp.wrapping_sub(span.timestamp_lag);
        write_header(header, span.marker, self.payload_type, self.sequence, timestamp, self.ssrc);
        if span.extension_len > 0 {
            header[0] |= HAS_EXTENSION;
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.packet_count = self.packet_count.wrapping_add(1);
        let payload = span.len.saturating_sub(RTP_HEADER_LEN + span.extension_len);
        self.octet_count = self.octet_count.wrapping_add(payload as u32);
    }
}

#[cfg(test)]
mod tests;
