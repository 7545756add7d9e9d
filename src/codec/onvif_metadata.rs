//! Documents of ONVIF metadata (ONVIF Streaming Specification section 5.1.2.1.1): XML whose root is
//! the element `MetadataStream`.

/// Bytes at the beginning of a document that are examined.
const EXAMINED: usize = 256;

/// Returns whether bytes can only be the beginning of a document: an XML declaration or the root
/// element.
pub fn begins_document(data: &[u8]) -> bool {
    let head = trimmed(data);
    let Some(head) = head.get(..head.len().min(EXAMINED)).and_then(|h| h.strip_prefix(b"<")) else {
        return false;
    };
    if head.starts_with(b"?xml") {
        return true;
    }
    let len = head.iter().position(|b| b.is_ascii_whitespace() || matches!(b, b'>' | b'/'));
    let name = len.and_then(|len| head.get(..len)).unwrap_or_default();
    name.rsplit(|&byte| byte == b':').next() == Some(b"MetadataStream")
}

/// Returns whether bytes look like an XML document: text in UTF-8 that begins and ends with a tag.
pub fn is_document(data: &[u8]) -> bool {
    let body = trimmed(data).trim_ascii_end();
    body.starts_with(b"<") && body.ends_with(b">") && std::str::from_utf8(body).is_ok()
}

/// The bytes behind a byte order mark and white space.
fn trimmed(data: &[u8]) -> &[u8] {
    data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data).trim_ascii_start()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_document_is_told_from_its_middle() {
        for beginning in [
            &b"<?xml version=\"1.0\"?>"[..],
            b"\xef\xbb\xbf\r\n <?xml",
            b"<tt:MetadataStream xmlns:tt=\"http://www.onvif.org/ver10/schema\">",
            b"<MetadataStream>",
            b"<x:MetadataStream/>",
        ] {
            assert!(begins_document(beginning));
        }
        let middle: [&[u8]; 6] =
            [b"", b"<", b"<tt:Frame UtcTime", b"</tt:MetadataStream>", b"MetadataStream>", b"<?x"];
        for middle in middle {
            assert!(!begins_document(middle));
        }
    }

    #[test]
    fn a_document_begins_and_ends_with_a_tag() {
        assert!(is_document(b"<a>\xc3\xa9</a>\r\n") && is_document(b"\xef\xbb\xbf<a/>"));
        for other in [&b""[..], b"a", b"<a", b"a>", b"{}", b"<a>\xff</a>", b"\x1f\x8b<>"] {
            assert!(!is_document(other));
        }
    }
}
