//! How RTSP carries messages (RFC 4567): the SDP attribute `key-mgmt` and the header `KeyMgmt`.

use super::{MAX_MESSAGE, MikeyMessage};
use crate::wire::ParseError;
use crate::wire::text::{invalid, parameter, split_unquoted, strip_prefix_ignore_case, unquote};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// Longest base64 text of a message.
const MAX_TEXT: usize = MAX_MESSAGE.div_ceil(3) * 4;
/// Most specifications of one header that are looked at.
const MAX_SPECS: usize = 16;

/// Reads the value of `a=key-mgmt` (RFC 4567 section 3.1): `mikey` and a message in base64.
///
/// # Errors
/// The value is of another protocol, is no base64, or the message cannot be [parsed].
///
/// [parsed]: MikeyMessage::parse
pub fn from_attribute(value: &str) -> Result<MikeyMessage, ParseError> {
    let value = value.trim();
    let data = strip_prefix_ignore_case(value, "mikey").ok_or(invalid("key-mgmt: protocol"))?;
    if !data.starts_with(' ') {
        return Err(invalid("key-mgmt: protocol"));
    }
    from_base64(data)
}

/// Writes the value of `a=key-mgmt`.
pub fn to_attribute(message: &MikeyMessage) -> String {
    format!("mikey {}", STANDARD.encode(message.to_bytes()))
}

fn from_base64(data: &str) -> Result<MikeyMessage, ParseError> {
    let data = data.trim();
    if data.len() > MAX_TEXT {
        return Err(invalid("key-mgmt: length"));
    }
    let message = STANDARD.decode(data).map_err(|_| invalid("key-mgmt: base64"))?;
    MikeyMessage::parse(&message)
}

/// The header `KeyMgmt` (RFC 4567 section 3.2) with one message, for one URL. `Display` writes its
/// value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the header has no more of MIKEY")]
pub struct KeyMgmt {
    /// What the keys are for: the URL of a track, if it is stated.
    pub url: Option<String>,
    /// The message.
    pub message: MikeyMessage,
}

impl KeyMgmt {
    /// Reads the value of a header. Of several specifications the first of MIKEY is taken that is
    /// for `url`, or else the first of MIKEY.
    ///
    /// # Errors
    /// There is no specification of MIKEY, or its message cannot be [parsed](MikeyMessage::parse).
    pub fn parse(value: &str, url: &str) -> Result<Self, ParseError> {
        let mut found: Option<(Option<&str>, &str)> = None;
        for spec in split_unquoted(value, ',').take(MAX_SPECS) {
            let (mut is_mikey, mut for_url, mut data) = (false, None, None);
            for (name, value) in split_unquoted(spec, ';').map(parameter) {
                let value = value.map(unquote);
                match value {
                    Some(value) if name.eq_ignore_ascii_case("prot") => {
                        is_mikey = value.eq_ignore_ascii_case("mikey");
                    }
                    Some(value) if name.eq_ignore_ascii_case("uri") => for_url = Some(value),
                    Some(value) if name.eq_ignore_ascii_case("data") => data = Some(value),
                    _ => {}
                }
            }
            let Some(data) = data.filter(|_| is_mikey) else { continue };
            if for_url == Some(url) || found.is_none() {
                found = Some((for_url, data));
            }
            if for_url == Some(url) {
                break;
            }
        }
        let (url, data) = found.ok_or(invalid("KeyMgmt: no MIKEY"))?;
        Ok(Self { url: url.map(str::to_owned), message: from_base64(data)? })
    }
}

impl fmt::Display for KeyMgmt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("prot=mikey")?;
        if let Some(url) = &self.url {
            f.write_str("; uri=\"")?;
            let unfit = |c: char| c.is_ascii_control() || c == '"';
            url.split(unfit).try_for_each(|piece| f.write_str(piece))?;
            f.write_str("\"")?;
        }
        write!(f, "; data=\"{}\"", STANDARD.encode(self.message.to_bytes()))
    }
}
