use super::*;
use crate::codec::jpeg::tables::{AC, DC, HuffmanTable};

/// A marker segment.
pub(crate) fn segment(marker: u8, parameters: &[u8]) -> Vec<u8> {
    let len = (parameters.len() + 2) as u16;
    [&[0xff, marker][..], &len.to_be_bytes(), parameters].concat()
}

/// Huffman tables with their numbers.
pub(crate) fn huffman(tables: &[(u8, HuffmanTable<'_>)]) -> Vec<u8> {
    let all = tables.iter().map(|(number, table)| {
        let (counts, values) = (table.counts, table.values);
        [&[*number][..], counts, values].concat()
    });
    segment(marker::DHT, &all.collect::<Vec<_>>().concat())
}

/// A picture of which a test changes what it is about.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) width: u16,
    pub(crate) height: u16,
    /// `SOF` marker and precision.
    pub(crate) process: (u8, u8),
    /// Identifier, sampling factors and quantization table of each component.
    pub(crate) components: Vec<[u8; 3]>,
    /// Parameters of each DQT segment.
    pub(crate) quantization: Vec<Vec<u8>>,
    pub(crate) huffman: Vec<(u8, HuffmanTable<'static>)>,
    pub(crate) restart_interval: Option<u16>,
    /// What the scan header has of each component, and its end.
    pub(crate) scan: (Vec<[u8; 2]>, [u8; 3]),
    pub(crate) data: Vec<u8>,
}

impl Picture {
    /// A picture of 4:2:0 with the tables of annex K.
    pub(crate) fn new(width: u16, height: u16, data: &[u8]) -> Self {
        let table = |number: u8| {
            let values = tables::quantization_tables(60).unwrap()[usize::from(number)];
            [&[number][..], &values].concat()
        };
        Self {
            width,
            height,
            process: (marker::SOF0, 8),
            components: vec![[1, 0x22, 0], [2, 0x11, 1], [3, 0x11, 1]],
            quantization: vec![table(0), table(1)],
            huffman: vec![(0, DC[0]), (1, DC[1]), (0x10, AC[0]), (0x11, AC[1])],
            restart_interval: None,
            scan: (vec![[1, 0], [2, 0x11], [3, 0x11]], [0, 63, 0]),
            data: data.to_vec(),
        }
    }

    pub(crate) fn file(&self) -> Vec<u8> {
        let mut file = vec![0xff, marker::SOI];
        file.extend(segment(marker::APP0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"));
        for parameters in &self.quantization {
            file.extend(segment(marker::DQT, parameters));
        }
        let (sof, precision) = self.process;
        let [h, w] = [self.height, self.width].map(u16::to_be_bytes);
        let mut frame = vec![precision, h[0], h[1], w[0], w[1], self.components.len() as u8];
        frame.extend(self.components.concat());
        file.extend(segment(sof, &frame));
        if !self.huffman.is_empty() {
            file.extend(huffman(&self.huffman));
        }
        if let Some(interval) = self.restart_interval {
            file.extend(segment(marker::DRI, &interval.to_be_bytes()));
        }
        let (components, end) = &self.scan;
        let scan = [&[components.len() as u8][..], &components.concat(), end].concat();
        file.extend(segment(marker::SOS, &scan));
        file.extend_from_slice(&self.data);
        file.extend([0xff, marker::EOI]);
        file
    }
}

#[test]
fn a_header_is_read() {
    let mut picture = Picture::new(640, 480, &[1, 2, 0xff, 0, 3]);
    picture.restart_interval = Some(40);
    let file = picture.file();
    let header = Header::parse(&file).unwrap();
    assert_eq!((header.process, header.precision), (0, 8));
    assert_eq!((header.width, header.height, header.restart_interval), (640, 480, 40));
    assert!(header.has_one_scan);
    assert_eq!(&file[header.scan_at..], &[1, 2, 0xff, 0, 3, 0xff, 0xd9]);
    let components = header.components();
    let sampling: Vec<_> = components.iter().map(|c| (c.horizontal, c.vertical)).collect();
    assert_eq!(sampling, [(2, 2), (1, 1), (1, 1)]);
    assert_eq!(header.huffman_tables(&components[0]), Some((DC[0], AC[0])));
    assert_eq!(header.huffman_tables(&components[2]), Some((DC[1], AC[1])));
    let table = header.quantization_table(1).unwrap();
    assert_eq!((table.is_16_bit, table.values), (false, &picture.quantization[1][1..]));
    assert_eq!((header.quantization_table(2), header.quantization_table(9)), (None, None));
    assert_eq!(size(&file), Some((640, 480)));
}

#[test]
fn tables_may_be_left_out_and_fill_bytes_put_in() {
    let mut picture = Picture::new(8, 8, &[5]);
    picture.huffman.clear();
    let mut file = picture.file();
    file.splice(2..2, [0xff, 0xff, 0xff]);
    let header = Header::parse(&file).unwrap();
    assert_eq!(header.huffman_tables(&header.components()[1]), Some((DC[1], AC[1])));
    let own =
        HuffmanTable { counts: &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], values: &[7] };
    picture.huffman = vec![(0x11, own)];
    let file = picture.file();
    let header = Header::parse(&file).unwrap();
    assert_eq!(header.huffman_tables(&header.components()[1]), Some((DC[1], own)));
}

#[test]
fn files_end_with_their_marker() {
    let data = [1, 0xff, 0, 2, 0xff, 0xd0, 3, 0xff, 0xff, 0xd7, 4];
    let mut file = Picture::new(8, 8, &data).file();
    let len = file.len();
    file.extend([0xff, 0xd8, 9]);
    assert_eq!(file_len(&file), Ok(len));
    for cut in 0..len {
        assert!(matches!(file_len(&file[..cut]), Err(ParseError::Incomplete { .. })), "{cut}");
    }
    let at = len - 2 - data.len();
    assert_eq!(scan_end(&file, at), Some(len - 2));
    assert_eq!(scan_end(&file[..len - 2], at), None);
    // A second scan, as progressive files have.
    let second = [&segment(marker::SOS, &[1, 1, 0, 1, 5, 0])[..], &[9, 9, 0xff, 0xd9]].concat();
    let both = [&file[..len - 2], &second].concat();
    assert_eq!(file_len(&both), Ok(both.len()));
}

#[test]
fn what_is_no_picture_is_an_error() {
    let file = Picture::new(8, 8, &[5]).file();
    for cut in 0..file.len() - 3 {
        assert!(Header::parse(&file[..cut]).is_err(), "{cut}");
    }
    let broken = |change: fn(&mut Picture)| {
        let mut picture = Picture::new(8, 8, &[5]);
        change(&mut picture);
        Header::parse(&picture.file()).is_err()
    };
    assert!(broken(|p| p.width = 0));
    assert!(broken(|p| p.components.clear()));
    assert!(broken(|p| p.components = vec![[1, 0x11, 0]; 5]));
    assert!(broken(|p| p.components[1] = [2, 0x51, 0]));
    assert!(broken(|p| p.components[1] = [2, 0x10, 0]));
    assert!(broken(|p| p.components[1] = [2, 0x11, 4]));
    assert!(broken(|p| p.quantization.push(vec![4; 65])));
    assert!(broken(|p| p.quantization.push(vec![0; 64])));
    assert!(broken(|p| p.huffman.push((0x20, DC[0]))));
    assert!(broken(|p| p.huffman.push((4, DC[0]))));
    assert!(broken(|p| p.scan.0[0] = [7, 0]), "no such component");
    assert!(broken(|p| p.scan.0.clear()));
    assert!(Header::parse(b"GIF89a").is_err() && Header::parse(&[0xff, 0xd8, 0xff, 0xd9]).is_err());
    assert!(file_len(b"GIF89a").is_err() && file_len(&[0xff, 0xd8, 0, 1]).is_err());
}
