//! [`Tables`]: the packets that carry program association and program map, kept so that they can
//! be sent again where playing starts in the middle.

use crate::framer::mpeg_ts::PACKET_LEN;
#[cfg(feature = "more-files")]
use crate::media::file::program::{Kind, StreamId, streams_of};
use crate::wire::Reader;
use bytes::Bytes;

/// Programs whose maps are kept.
const MAX_PROGRAMS: usize = 8;
/// Packets of one table that are kept.
const MAX_PACKETS: usize = 8;
const NO_PCR: u16 = 0x1fff;
/// table_id of a program association section.
const ASSOCIATION: u8 = 0;
/// table_id of a program map section.
const MAP: u8 = 2;

/// The program association and the program maps that it names, each as it was last complete.
#[derive(Debug)]
pub(super) struct Tables {
    association: Section,
    maps: Vec<Map>,
}

/// The map of a program.
#[derive(Debug)]
struct Map {
    pid: u16,
    section: Section,
    pcr_pid: Option<u16>,
    video: Option<Video>,
    #[cfg(feature = "more-files")]
    streams: Vec<(StreamId, Kind)>,
}

impl Map {
    const fn new(pid: u16) -> Self {
        Self {
            pid,
            section: Section::new(MAP),
            pcr_pid: None,
            video: None,
            #[cfg(feature = "more-files")]
            streams: Vec::new(),
        }
    }
}

/// The first video stream of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Video {
    pub(super) pid: u16,
    pub(super) codec: VideoCodec,
}

/// How the video of a program is coded (ISO/IEC 13818-1 table 2-34).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VideoCodec {
    Mpeg2,
    Mpeg4,
    H264,
    H265,
}

/// Packets of one PID from the start of a section to its end.
#[derive(Debug)]
struct Section {
    table_id: u8,
    /// Packets of the last table that was complete; empty if none was.
    packets: Vec<u8>,
    /// Packets of the table that is arriving.
    partial: Vec<u8>,
    bytes: Vec<u8>,
}

impl Section {
    const fn new(table_id: u8) -> Self {
        Self { table_id, packets: Vec::new(), partial: Vec::new(), bytes: Vec::new() }
    }

    /// Takes a packet; gives the section when this completes it.
    fn handle_packet(&mut self, packet: &[u8], unit_start: bool, payload: &[u8]) -> Option<&[u8]> {
        if unit_start {
            self.partial.clear();
            self.bytes.clear();
            let pointer = usize::from(*payload.first()?);
            self.bytes.extend_from_slice(payload.get(1 + pointer..)?);
        } else if self.partial.is_empty() {
            return None;
        } else {
            self.bytes.extend_from_slice(payload);
        }
        if self.partial.len() >= MAX_PACKETS * PACKET_LEN {
            self.partial.clear();
            return None;
        }
        self.partial.extend_from_slice(packet);
        let &[table_id, l0, l1, ..] = &self.bytes[..] else { return None };
        let len = 3 + (usize::from(l0 & 0x0f) << 8 | usize::from(l1));
        let section = self.bytes.get(..len)?;
        // current_next_indicator: what is not yet applicable is not kept; nor are other tables of
        // the same PID, and the further sections of a long association.
        let &[_, _, _, _, _, version, number, ..] = section else { return None };
        let wanted = table_id == self.table_id && version & 1 == 1 && number == 0;
        if wanted {
            std::mem::swap(&mut self.packets, &mut self.partial);
        }
        self.partial.clear();
        wanted.then_some(section)
    }
}

impl Default for Tables {
    fn default() -> Self {
        Self { association: Section::new(ASSOCIATION), maps: Vec::new() }
    }
}

impl Tables {
    pub(super) fn handle_packet(&mut self, packet: &[u8]) {
        let Some((pid, unit_start, payload)) = payload_of(packet) else { return };
        if pid == 0 {
            if let Some(section) = self.association.handle_packet(packet, unit_start, payload) {
                let mut old = std::mem::take(&mut self.maps);
                for pid in map_pids(section) {
                    let map = match old.iter().position(|map| map.pid == pid) {
                        Some(i) => old.swap_remove(i),
                        None => Map::new(pid),
                    };
                    self.maps.push(map);
                }
            }
        } else if let Some(map) = self.maps.iter_mut().find(|map| map.pid == pid) {
            if let Some(section) = map.section.handle_packet(packet, unit_start, payload) {
                (map.pcr_pid, map.video) = (pcr_pid(section), video(section));
                #[cfg(feature = "more-files")]
                (map.streams = streams_of(section));
            }
        }
    }

    #[cfg(test)]
    pub(super) fn from_packets(packets: &[u8]) -> Self {
        let mut tables = Self::default();
        packets.chunks(PACKET_LEN).for_each(|packet| tables.handle_packet(packet));
        tables
    }

    /// PIDs of the PCRs, as the program maps say, in the order of the association.
    pub(super) fn pcr_pids(&self) -> impl Iterator<Item = u16> {
        self.maps.iter().filter_map(|map| map.pcr_pid)
    }

    /// The video of the first program that has some.
    pub(super) fn video(&self) -> Option<Video> {
        self.maps.iter().find_map(|map| map.video)
    }

    /// The elementary streams of the first program that has any that are known.
    #[cfg(feature = "more-files")]
    pub(super) fn streams(&self) -> Vec<(StreamId, Kind)> {
        let mut of_programs = self.maps.iter().map(|map| &map.streams);
        of_programs.find(|streams| !streams.is_empty()).cloned().unwrap_or_default()
    }

    /// Whether the association and all the maps that it names are here.
    pub(super) fn are_complete(&self) -> bool {
        let mut maps = self.maps.iter();
        !self.maps.is_empty() && maps.all(|map| !map.section.packets.is_empty())
    }

    /// The packets of all tables; empty if the association or every map is missing.
    pub(super) fn packets(&self) -> Bytes {
        let mut all = self.association.packets.clone();
        let before = all.len();
        self.maps.iter().for_each(|map| all.extend_from_slice(&map.section.packets));
        if before == 0 || all.len() == before {
            return Bytes::new();
        }
        all.into()
    }
}

/// PID, payload_unit_start_indicator and payload of a packet that has a payload.
fn payload_of(packet: &[u8]) -> Option<(u16, bool, &[u8])> {
    const WHAT: &str = "transport stream packet";
    let mut r = Reader::new(packet);
    r.u8(WHAT).ok()?;
    let head = r.u16(WHAT).ok()?;
    let control = r.u8(WHAT).ok()?;
    // Scrambled tables do not exist; transport errors are not to be trusted.
    if head & 0x8000 != 0 || control & 0x10 == 0 {
        return None;
    }
    if control & 0x20 != 0 {
        let len = r.u8(WHAT).ok()?;
        r.take(usize::from(len), WHAT).ok()?;
    }
    Some((head & 0x1fff, head & 0x4000 != 0, r.rest()))
}

/// PIDs of the program maps in a program association section.
fn map_pids(section: &[u8]) -> impl Iterator<Item = u16> + '_ {
    let programs = section.get(8..section.len().saturating_sub(4)).unwrap_or_default();
    let is_association = section.first() == Some(&0);
    programs
        .chunks_exact(4)
        .filter_map(move |entry| match *entry {
            // Program 0 names the network information.
            [0, 0, ..] => None,
            [_, _, p0, p1] if is_association => Some(u16::from(p0 & 0x1f) << 8 | u16::from(p1)),
            _ => None,
        })
        .take(MAX_PROGRAMS)
}

/// PCR_PID of a program map section.
fn pcr_pid(section: &[u8]) -> Option<u16> {
    let &[2, _, _, _, _, _, _, _, p0, p1, ..] = section else { return None };
    Some(u16::from(p0 & 0x1f) << 8 | u16::from(p1)).filter(|&pid| pid != NO_PCR)
}

/// The first video stream of a program map section (2.4.4.8).
fn video(section: &[u8]) -> Option<Video> {
    let streams = section.get(..section.len().checked_sub(4)?)?;
    let &[l0, l1] = streams.get(10..)?.first_chunk::<2>()?;
    let mut rest = streams.get(12 + (usize::from(l0 & 0x0f) << 8 | usize::from(l1))..)?;
    loop {
        let &[kind, p0, p1, l0, l1] = rest.first_chunk::<5>()?;
        let codec = match kind {
            0x01 | 0x02 => Some(VideoCodec::Mpeg2),
            0x10 => Some(VideoCodec::Mpeg4),
            0x1b => Some(VideoCodec::H264),
            0x24 => Some(VideoCodec::H265),
            _ => None,
        };
        if let Some(codec) = codec {
            return Some(Video { pid: u16::from(p0 & 0x1f) << 8 | u16::from(p1), codec });
        }
        rest = rest.get(5 + (usize::from(l0 & 0x0f) << 8 | usize::from(l1))..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(pid: u16, start: bool, payload: &[u8]) -> Vec<u8> {
        let flags = if start { 0x40 } else { 0 };
        let mut packet = vec![0x47, flags | (pid >> 8) as u8, pid as u8, 0x10];
        packet.extend_from_slice(payload);
        packet.resize(PACKET_LEN, 0xff);
        packet
    }

    fn association() -> Vec<u8> {
        let section = [0, 0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xe1, 0x00, 1, 2, 3, 4];
        packet(0, true, &section)
    }

    #[test]
    fn finds_the_pcr_pid_and_keeps_the_packets() {
        let mut tables = Tables::default();
        let mut long = vec![0, 2, 0xb0, 200, 0, 1, 0xc1, 0, 0, 0xe1, 0x01, 0xf0, 0];
        long.resize(184, 7);
        let maps = [packet(0x100, true, &long), packet(0x100, false, &[7; 30])];
        tables.handle_packet(&maps[0]); // too early: its PID is not known yet
        tables.handle_packet(&association());
        assert!(tables.packets().is_empty());
        for map in &maps {
            tables.handle_packet(map);
        }
        assert_eq!(tables.pcr_pids().next(), Some(0x101));
        assert_eq!(&tables.packets()[..], [association(), maps.concat()].concat());
    }

    #[test]
    fn new_versions_replace_the_old_ones() {
        let map = |pcr: u8, current: u8| {
            packet(0x100, true, &[0, 2, 0xb0, 9, 0, 1, 0xc0 | current, 0, 0, 0xe1, pcr, 0xf0, 0, 1])
        };
        let mut tables = Tables::default();
        tables.handle_packet(&association());
        assert!(!tables.are_complete());
        tables.handle_packet(&map(1, 1));
        assert!(tables.are_complete());
        tables.handle_packet(&map(2, 0)); // not yet applicable
        assert_eq!(tables.pcr_pids().next(), Some(0x101));
        tables.handle_packet(&map(2, 1));
        assert_eq!(tables.pcr_pids().collect::<Vec<_>>(), [0x102]);
        assert_eq!(&tables.packets()[..], [association(), map(2, 1)].concat());
        // The program moves.
        let section = [0, 0, 0xb0, 13, 0, 1, 0xc3, 0, 0, 0, 1, 0xe2, 0x00, 1, 2, 3, 4];
        tables.handle_packet(&packet(0, true, &section));
        assert_eq!(tables.pcr_pids().next(), None);
    }

    #[test]
    fn a_section_that_never_ends_is_given_up() {
        let mut tables = Tables::default();
        tables.handle_packet(&packet(0, true, &[0, 0, 0xbf, 0xff]));
        for _ in 0..100 {
            tables.handle_packet(&packet(0, false, &[0; 184]));
        }
        assert!(tables.association.partial.len() <= MAX_PACKETS * PACKET_LEN);
        assert!(tables.packets().is_empty());
        tables.handle_packet(&packet(0, true, &[200, 1, 2]));
        tables.handle_packet(&[0x47]);
    }
}
