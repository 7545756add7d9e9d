//! Vorbis: the three headers of a stream and the durations of its packets.
//!
//! Reference: Vorbis I specification, sections 1.3.2 (how blocks overlap), 4.2 (headers) and 4.3.1
//! (beginning of an audio packet).

use crate::wire::ParseError;
use bytes::Bytes;

mod setup;

const WHAT: &str = "Vorbis header";

/// What the headers of a Vorbis stream say about its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Headers {
    /// Sampling rate in Hz.
    pub sampling_rate: u32,
    /// Number of channels.
    pub channels: u8,
    /// Sizes of short and long blocks in samples.
    block_sizes: [u32; 2],
    modes: Modes,
}

/// The modes of which each audio packet names one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Modes {
    /// Their number, 1 to 64.
    count: u32,
    /// Bit `n` is set if mode `n` has long blocks.
    long: u64,
}

impl Headers {
    /// Parses identification, comment and setup header. Of the comment header only the beginning is
    /// examined.
    ///
    /// # Errors
    /// They are no headers of Vorbis I, or are not in this order.
    pub fn parse(headers: &[Bytes; 3]) -> Result<Self, ParseError> {
        let [identification, comment, setup] = headers;
        let identification = setup::content(identification, 1)?;
        setup::content(comment, 3)?;
        let invalid = ParseError::Invalid { what: WHAT, at: 7 };
        // Version, channels, sampling rate, three bit rates, two block sizes, the framing bit.
        let &[0, 0, 0, 0, channels, r0, r1, r2, r3, .., sizes, framing] =
            identification.first_chunk::<23>().ok_or(ParseError::Incomplete { what: WHAT })?
        else {
            return Err(invalid);
        };
        let sampling_rate = u32::from_le_bytes([r0, r1, r2, r3]);
        let (short, long) = (sizes & 0xf, sizes >> 4);
        let possible = (6..=long).contains(&short) && long <= 13;
        if channels == 0 || sampling_rate == 0 || !possible || framing & 1 == 0 {
            return Err(invalid);
        }
        let modes = setup::modes(setup::content(setup, 5)?, channels)?;
        let block_sizes = [1 << short, 1 << long];
        Ok(Self { sampling_rate, channels, block_sizes, modes })
    }

    /// Returns the size of the block that a packet has, in samples; `None` if it is no audio packet.
    pub fn block_size(&self, packet: &[u8]) -> Option<u32> {
        let first = *packet.first()?;
        // The first bit is zero in audio packets; as many bits follow as a mode number has.
        let mask = self.modes.count.next_power_of_two() - 1;
        let mode = u32::from(first >> 1) & mask;
        let is_audio = first & 1 == 0 && mode < self.modes.count;
        let [short, long] = self.block_sizes;
        is_audio.then_some(if self.modes.long >> mode & 1 == 1 { long } else { short })
    }

    /// Returns the size of the block before the one of a packet, which packets with a long block tell
    /// of.
    pub fn previous_block_size(&self, packet: &[u8]) -> Option<u32> {
        let [short, long] = self.block_sizes;
        // The flag follows the mode number.
        let flag = 1 + self.modes.count.next_power_of_two().trailing_zeros();
        let is_long = u32::from(*packet.first()?) >> flag & 1 == 1;
        let tells = self.block_size(packet)? == long && short != long;
        tells.then_some(if is_long { long } else { short })
    }

    /// Returns the number of samples of each channel that are complete once a packet is decoded after
    /// one with a block of `previous` samples; `None` if it is no audio packet. Blocks overlap, so the
    /// first packet of a stream, which has no previous one, completes none.
    pub fn packet_samples(&self, previous: Option<u32>, packet: &[u8]) -> Option<u32> {
        let own = self.block_size(packet)?;
        Some(previous.map_or(0, |previous| (previous + own) / 4))
    }
}

/// Splits the `CodecPrivate` of Matroska into the three headers (Matroska codec mappings,
/// `A_VORBIS`): their number less one, the lengths of the first two in Xiph lacing, the headers.
pub fn split_private(private: &Bytes) -> Option<[Bytes; 3]> {
    let mut lengths = private.get(1..).filter(|_| private.first() == Some(&2))?;
    let mut length = || {
        let mut sum = 0;
        loop {
            let (&byte, rest) = lengths.split_first()?;
            lengths = rest;
            sum += usize::from(byte);
            if byte < 255 {
                return Some(sum);
            }
        }
    };
    let (first, second) = (length()?, length()?);
    let mut rest = private.slice(private.len() - lengths.len()..);
    if first + second > rest.len() {
        return None;
    }
    let identification = rest.split_to(first);
    let comment = rest.split_to(second);
    Some([identification, comment, rest])
}

#[cfg(test)]
pub(crate) mod tests;
