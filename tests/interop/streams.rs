//! Comparing what arrived with what was to be sent.

use crate::media::Kind;

/// Says whether `arrived` holds what `sent` does; both as the elementary stream of `kind` in the
/// form that FFmpeg writes: Annex B, ADTS, or plain bytes.
pub(crate) fn same(kind: Kind, sent: &[u8], arrived: &[u8]) -> Result<(), String> {
    match kind {
        Kind::H264 | Kind::H265 => same_video(kind, sent, arrived, content),
        Kind::Aac => same_list("AAC frame", &adts_frames(sent)?, &adts_frames(arrived)?),
        _ => same_bytes(sent, arrived),
    }
}

/// Byte by byte.
pub(crate) fn same_bytes(sent: &[u8], arrived: &[u8]) -> Result<(), String> {
    if sent == arrived {
        return Ok(());
    }
    let at = sent.iter().zip(arrived).take_while(|(a, b)| a == b).count();
    Err(format!("{} bytes arrived of {}; they differ at {at}", arrived.len(), sent.len()))
}

/// The same for video of which only the slices and parameter sets can be compared.
pub(crate) fn same_pictures(kind: Kind, sent: &[u8], arrived: &[u8]) -> Result<(), String> {
    same_video(kind, sent, arrived, pictures)
}

/// Which NAL units of a stream are compared.
type Choice = for<'a> fn(Kind, &[&'a [u8]]) -> Vec<&'a [u8]>;

/// NAL by NAL. Delimiters carry nothing and may be left out; parameter sets may be repeated.
fn same_video(kind: Kind, sent: &[u8], arrived: &[u8], choose: Choice) -> Result<(), String> {
    let (sent, arrived) = (nals(sent), nals(arrived));
    let sets = |list: &[&[u8]]| {
        let mut sets: Vec<Vec<u8>> =
            list.iter().filter(|n| is_parameter_set(kind, n)).map(|n| n.to_vec()).collect();
        sets.sort();
        sets.dedup();
        sets
    };
    if sets(&sent) != sets(&arrived) {
        let (sent, arrived) = (sets(&sent).len(), sets(&arrived).len());
        return Err(format!("parameter sets differ: {sent} sent, {arrived} arrived"));
    }
    same_list("NAL unit", &choose(kind, &sent), &choose(kind, &arrived))
}

/// The stream without its last NAL unit.
pub(crate) fn but_the_last(stream: &[u8]) -> &[u8] {
    let last = nals(stream).last().map_or(0, |nal| nal.len());
    let end = stream.len() - stream.iter().rev().take_while(|&&b| b == 0).count();
    &stream[..end - last]
}

/// Says whether `arrived` is the end of `sent`, slice by slice; returns the index among the slices
/// of `sent` where it begins.
pub(crate) fn tail_of(kind: Kind, sent: &[u8], arrived: &[u8]) -> Result<usize, String> {
    let (sent, arrived) = (nals(sent), nals(arrived));
    let (sent, arrived) = (pictures(kind, &sent), pictures(kind, &arrived));
    let first = arrived.first().ok_or("no picture arrived")?;
    let at = sent.iter().position(|n| n == first).ok_or("the first picture is not the file's")?;
    same_list("picture", &sent[at..], &arrived)?;
    Ok(at)
}

/// Says whether `arrived` is a part of `sent` without a gap, picture by picture, of `least` slices
/// at least.
pub(crate) fn part_of(kind: Kind, sent: &[u8], arrived: &[u8], least: usize) -> Result<(), String> {
    let (sent, arrived) = (nals(sent), nals(arrived));
    let (sent, arrived) = (pictures(kind, &sent), pictures(kind, &arrived));
    let is_slice = |nal: &&&[u8]| !is_parameter_set(kind, nal);
    let slices = |list: &[&[u8]]| list.iter().filter(is_slice).count();
    if slices(&arrived) < least {
        return Err(format!("{} slices arrived", slices(&arrived)));
    }
    let first = arrived.iter().find(is_slice).ok_or("no picture arrived")?;
    let at = sent.iter().position(|n| n == first).ok_or("the first picture is not the file's")?;
    let sent: Vec<_> = sent[at..].iter().filter(is_slice).take(slices(&arrived)).collect();
    same_list("picture", &sent, &arrived.iter().filter(is_slice).collect::<Vec<_>>())
}

fn same_list<T: AsRef<[u8]>>(what: &str, sent: &[T], arrived: &[T]) -> Result<(), String> {
    let equal = |(a, b): &(&T, &T)| a.as_ref() == b.as_ref();
    let at = sent.iter().zip(arrived).take_while(equal).count();
    if at == sent.len() && at == arrived.len() {
        return if at == 0 { Err("nothing arrived".into()) } else { Ok(()) };
    }
    let show = |list: &[T]| {
        list.get(at).map_or_else(
            || "none".to_owned(),
            |n| {
                format!(
                    "{} bytes {:02x?}",
                    n.as_ref().len(),
                    &n.as_ref()[..n.as_ref().len().min(8)]
                )
            },
        )
    };
    Err(format!(
        "{} of {} {what}s arrived; number {at} differs: sent {}, arrived {}",
        arrived.len(),
        sent.len(),
        show(sent),
        show(arrived)
    ))
}

/// The NAL units of an Annex B byte stream, without start codes and trailing zeros.
pub(crate) fn nals(stream: &[u8]) -> Vec<&[u8]> {
    let mut starts = Vec::new();
    let mut i = 0;
    while i + 3 <= stream.len() {
        if stream[i..i + 3] == [0, 0, 1] {
            starts.push(i);
            i += 3;
        } else {
            i += 1;
        }
    }
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(&start, end)| {
            let nal = &stream[start + 3..end];
            &nal[..nal.len() - nal.iter().rev().take_while(|&&b| b == 0).count()]
        })
        .filter(|nal| !nal.is_empty())
        .collect()
}

fn nal_type(kind: Kind, nal: &[u8]) -> u8 {
    if kind == Kind::H264 { nal[0] & 0x1f } else { nal[0] >> 1 & 0x3f }
}

fn is_parameter_set(kind: Kind, nal: &[u8]) -> bool {
    let set = if kind == Kind::H264 { 7..=8 } else { 32..=34 };
    set.contains(&nal_type(kind, nal))
}

/// All but parameter sets and access unit delimiters.
fn content<'a>(kind: Kind, list: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let delimiter = if kind == Kind::H264 { 9 } else { 35 };
    list.iter()
        .filter(|n| !is_parameter_set(kind, n) && nal_type(kind, n) != delimiter)
        .copied()
        .collect()
}

/// Slices alone.
pub(crate) fn pictures<'a>(kind: Kind, list: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let last = if kind == Kind::H264 { 5 } else { 31 };
    list.iter().filter(|n| nal_type(kind, n) <= last).copied().collect()
}

/// The frames of an ADTS stream without their headers.
pub(crate) fn adts_frames(stream: &[u8]) -> Result<Vec<&[u8]>, String> {
    let mut frames = Vec::new();
    let mut rest = stream;
    while let [0xff, second, _, third, fourth, fifth, ..] = *rest {
        let length =
            usize::from(third & 3) << 11 | usize::from(fourth) << 3 | usize::from(fifth) >> 5;
        let header = if second & 1 == 1 { 7 } else { 9 };
        if second & 0xf6 != 0xf0 || length < header || length > rest.len() {
            return Err(format!("no ADTS frame at {}", stream.len() - rest.len()));
        }
        frames.push(&rest[header..length]);
        rest = &rest[length..];
    }
    if rest.is_empty() {
        Ok(frames)
    } else {
        Err(format!("{} bytes follow the ADTS frames", rest.len()))
    }
}

#[test]
fn differences_are_found() {
    let stream = [0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 1, 0x65, 3, 4, 0, 0, 0, 1, 0x41, 5];
    assert_eq!(nals(&stream), [&[0x67, 1][..], &[0x68, 2], &[0x65, 3, 4], &[0x41, 5]]);
    assert_eq!(same(Kind::H264, &stream, &stream), Ok(()));
    let with_delimiter = [&[0, 0, 1, 9, 0xf0], &stream[..]].concat();
    assert_eq!(same(Kind::H264, &stream, &with_delimiter), Ok(()));
    assert_eq!(same(Kind::H264, &with_delimiter, &stream), Ok(()));
    let repeated = [&stream[..6], &stream[..]].concat();
    assert_eq!(same(Kind::H264, &stream, &repeated), Ok(()));
    assert!(same(Kind::H264, &stream, &stream[..17]).is_err());
    assert!(same(Kind::H264, &stream[..17], &stream).is_err());
    assert!(same(Kind::H264, &stream, &stream[6..]).is_err());
    let mut changed = stream;
    changed[16] = 7;
    assert!(same(Kind::H264, &stream, &changed).is_err());
    assert!(same(Kind::H264, &[], &[]).is_err());
    assert_eq!(nals(but_the_last(&stream)).len(), 3);
    assert_eq!(tail_of(Kind::H264, &stream, &stream[17..]), Ok(1));
    assert!(tail_of(Kind::H264, &stream, &stream[..17]).is_err());
    let adts = [0xff, 0xf1, 0x50, 0x80, 0x01, 0x3f, 0xfc, 0xaa, 0xbb];
    assert_eq!(adts_frames(&adts), Ok(vec![&[0xaa, 0xbb][..]]));
    assert!(adts_frames(&adts[..8]).is_err());
    assert!(same_bytes(b"abc", b"abd").is_err());
}
