//! Values of the configuration: times, sizes, addresses, and words.

use super::reader::Value;
use riverrun::server::FastStart;
use riverrun::server::access::AddressRange;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

const SECONDS: [(&str, u64); 5] =
    [("s", 1), ("min", 60), ("h", 3600), ("d", 86_400), ("w", 604_800)];
const BYTES: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

pub(crate) fn text(value: &Value<'_>) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| "is a text, in quotation marks".to_owned())
}

/// A text; `None` if it is empty.
pub(crate) fn text_if_any(value: &Value<'_>) -> Result<Option<String>, String> {
    text(value).map(|text| Some(text).filter(|text| !text.is_empty()))
}

/// A path; `None` if it is empty.
pub(crate) fn path_if_any(value: &Value<'_>) -> Result<Option<PathBuf>, String> {
    text_if_any(value).map(|text| text.map(PathBuf::from))
}

pub(crate) fn flag(value: &Value<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "is true or false".to_owned())
}

/// An array of texts.
pub(crate) fn texts(value: &Value<'_>) -> Result<Vec<String>, String> {
    let wrong = || "is an array of texts, [\"…\", \"…\"]".to_owned();
    let array = value.as_array().ok_or_else(wrong)?;
    array.iter().map(|item| text(item.get_ref()).map_err(|_| wrong())).collect()
}

/// One text, or an array of texts.
pub(crate) fn text_or_texts(value: &Value<'_>) -> Result<Vec<String>, String> {
    match value.as_str() {
        Some("") => Ok(Vec::new()),
        Some(text) => Ok(vec![text.to_owned()]),
        None => texts(value),
    }
}

/// The number of a port; `None` if it is 0.
pub(crate) fn port_if_any(value: &Value<'_>) -> Result<Option<u16>, String> {
    let port = u16::try_from(number(value)?);
    port.map(|port| Some(port).filter(|port| *port > 0))
        .map_err(|_| "is the number of a port, or 0".to_owned())
}

/// A whole number that is not negative.
pub(crate) fn number(value: &Value<'_>) -> Result<u64, String> {
    let integer = value.as_integer().and_then(|integer| {
        // The radix is that of the digits: 10, or 2, 8 or 16.
        u64::from_str_radix(integer.as_str(), integer.radix()).ok()
    });
    integer.ok_or_else(|| "is a whole number".to_owned())
}

pub(crate) fn count(value: &Value<'_>) -> Result<usize, String> {
    usize::try_from(number(value)?).map_err(|_| "is too large".to_owned())
}

/// A number with a unit; a number alone has the first of them.
fn measured(value: &Value<'_>, units: &[(&str, u64)]) -> Result<u64, String> {
    if value.is_integer() {
        return number(value);
    }
    let names: Vec<_> = units.iter().map(|(name, _)| *name).collect();
    let wrong =
        || format!("is a whole number, or a text with one and a unit: {}", names.join(", "));
    let text = value.as_str().ok_or_else(wrong)?;
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = units.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(unit.1).ok_or_else(|| "is too large".to_owned())
}

/// A time: seconds, or a text such as `"7 d"`.
pub(crate) fn time(value: &Value<'_>) -> Result<Duration, String> {
    measured(value, &SECONDS).map(Duration::from_secs)
}

/// A time that is not 0.
pub(crate) fn some_time(value: &Value<'_>) -> Result<Duration, String> {
    time(value).and_then(|time| if time.is_zero() { Err("is not 0".into()) } else { Ok(time) })
}

/// A time; `None` if it is 0.
pub(crate) fn time_if_any(value: &Value<'_>) -> Result<Option<Duration>, String> {
    time(value).map(|time| Some(time).filter(|time| !time.is_zero()))
}

/// A number of bytes, or a text such as `"20 GB"`.
pub(crate) fn size(value: &Value<'_>) -> Result<u64, String> {
    measured(value, &BYTES)
}

/// A number of bytes; `None` if it is 0.
pub(crate) fn size_if_any(value: &Value<'_>) -> Result<Option<u64>, String> {
    size(value).map(|size| Some(size).filter(|size| *size > 0))
}

/// Ranges of IP addresses.
pub(crate) fn ranges(value: &Value<'_>) -> Result<Vec<AddressRange>, String> {
    let ranges = texts(value)?;
    ranges.iter().map(|text| text.parse().map_err(|why| format!("{text:?}: {why}"))).collect()
}

/// Host and port of a listener: `localhost` and `*` are both families.
pub(crate) fn addresses(text: &str) -> Result<Vec<SocketAddr>, String> {
    let wrong = || {
        format!(
            "{text:?} is not an address and a port, as 10.0.0.7:8554, [::1]:8554, localhost:8554 or *:8554"
        )
    };
    if let Ok(address) = text.parse() {
        return Ok(vec![address]);
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    let both: [IpAddr; 2] = match host {
        "localhost" => [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        "*" => [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
        _ => return Err(wrong()),
    };
    Ok(both.map(|ip| SocketAddr::new(ip, port)).to_vec())
}

/// One of several words, each with what it stands for.
pub(crate) fn word<T: Clone>(value: &Value<'_>, words: &[(&str, T)]) -> Result<T, String> {
    let found = value.as_str().and_then(|text| words.iter().find(|(word, _)| *word == text));
    let all: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
    found.map(|(_, value)| value.clone()).ok_or_else(|| format!("is one of {}", all.join(", ")))
}

/// How a newcomer begins; `None`: as suits the tracks.
pub(super) fn fast_start(value: &Value<'_>) -> Result<Option<FastStart>, String> {
    let words = [
        ("auto", None),
        ("cache", Some(FastStart::KeyFrameCache)),
        ("wait", Some(FastStart::WaitForKeyFrame)),
        ("off", Some(FastStart::Off)),
    ];
    word(value, &words)
}
